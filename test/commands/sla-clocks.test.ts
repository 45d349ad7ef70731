import { admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { changeQueue } from '../../commands/change-queue.ts';
import { changeTask } from '../../commands/change-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { refreshRunTimes } from '../../commands/refresh-run-times.ts';
import { releaseDue } from '../../commands/release-due.ts';
import { retryTask } from '../../commands/retry-task.ts';
import { repairPauses } from '../../commands/sweep-slas.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, countOf, emptyDatabase, makeTemplate, makeWorld, outcome, startTask, submit, submitOne } from '../support/factories.ts';
import { openBlocker } from '../support/lock-probe.ts';
import { age, attach, breaches, clocksOf, makeSla } from '../support/slas.ts';
import { sweepClocks } from '../support/sweep.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em, { template: { retry: { max_attempts: 3, initial_s: 0 } } });
});
afterAll(async () => await db.drop());

const bind = async (conditions: object[], more: Record<string, unknown> = {}): Promise<number> => {
  const id = await makeSla(ctx, conditions, more);
  await attach(em, id);
  return id;
};
const finish = async (runid: string, status: FinalInstanceStatus, code?: string) =>
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome(status, code) }], 'test');
const states = async (task: string) => (await clocksOf(em, task)).map(({ kind, attempt, state }) => `${kind} ${attempt} ${state}`);
const told = async () => (await breaches(em)).map(({ condition, stage, reason }) => `${condition} ${stage} ${reason}`);

test('without SLAs a task has no clocks', async () => {
  await startTask(ctx);
  expect(await countOf(em, 'sla_clocks')).toBe(0);
  expect(await countOf(em, 'task_slas')).toBe(0);
});

test('each clock starts and stops by what happens to the task', async () => {
  await bind([
    { kind: 'queue_wait', limit_s: 60 },
    { kind: 'start_delay', limit_s: 60 },
    { kind: 'run_time', limit_s: 60 },
    { kind: 'total_time', limit_s: 60 },
  ]);
  const task = await submitOne(ctx);
  expect(await states(task.uuid)).toEqual(['queue_wait 1 running', 'total_time 0 running']);
  const [instance] = await admit(em);
  expect(await states(task.uuid)).toEqual(['queue_wait 1 met', 'total_time 0 running', 'start_delay 1 running']);
  await claim(em, instance as never);
  expect(await states(task.uuid)).toEqual(['queue_wait 1 met', 'total_time 0 running', 'start_delay 1 met', 'run_time 1 running']);
  await finish(instance?.runid ?? '', 'completed');
  expect(await states(task.uuid)).toEqual(['queue_wait 1 met', 'total_time 0 met', 'start_delay 1 met', 'run_time 1 met']);
  expect(await breaches(em)).toEqual([]);
});

test('a retry has clocks of its own, the total goes on', async () => {
  await bind([
    { kind: 'queue_wait', limit_s: 60 },
    { kind: 'run_time', limit_s: 60 },
    { kind: 'total_time', limit_s: 60 },
  ]);
  const { runid, task } = await startTask(ctx);
  await finish(runid, 'failed');
  expect(await states(task.uuid)).toEqual(['queue_wait 1 met', 'total_time 0 running', 'run_time 1 void', 'queue_wait 2 running']);
  const [first, , , second] = await clocksOf(em, task.uuid);
  expect(second?.epoch).toBe(2);
  expect(Date.parse(second?.started_at ?? '')).toBeGreaterThan(Date.parse(first?.started_at ?? ''));
});

test('a sweep tells of each stage that has passed, once, in their order', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 100, stages: [50, 80, 150] }]);
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 60);
  for (let twice = 0; twice < 2; twice += 1) await sweepClocks(em);
  expect(await told()).toEqual(['queue_wait 50 late']);
  await age(em, uuid, 45);
  await Promise.all(Array.from({ length: 4 }, () => sweepClocks(db.orm.em.fork() as Em)));
  expect(await told()).toEqual(['queue_wait 50 late', 'queue_wait 80 late', 'queue_wait 100 late']);
  expect(await states(uuid)).toEqual(['queue_wait 1 broken']);
  await age(em, uuid, 50);
  await sweepClocks(em);
  expect((await breaches(em)).map(({ stage, subject, scope }) => [stage, subject, scope])).toEqual(
    [50, 80, 100, 150].map((stage) => [stage, `task:${uuid}`, 'queue:q']),
  );
});

test('what nobody looked at in time is told by the end of the clock', async () => {
  await bind([{ kind: 'run_time', limit_s: 10, stages: [50] }]);
  const { runid, task } = await startTask(ctx);
  await age(em, task.uuid, 11);
  await finish(runid, 'completed');
  expect(await told()).toEqual(['run_time 50 late', 'run_time 100 late']);
  expect(await states(task.uuid)).toEqual(['run_time 1 broken']);
  expect((await breaches(em)).every(({ state }) => state === 'resolved')).toBe(true);
});

test('a clock that stops at its due time exactly is met, a millisecond later it is broken', async () => {
  await bind([{ kind: 'run_time', limit_s: 10 }]);
  for (const [late_ms, state] of [
    [0, 'met'],
    [1, 'broken'],
  ] as const) {
    const { runid, task } = await startTask(ctx);
    await query(em, `set session_replication_role = replica`);
    await query(
      em,
      `update instances set status = 'completed', end_time = start_time + make_interval(secs => 10 + $2 / 1000.0) where runid = $1`,
      [runid, late_ms],
    );
    await query(em, `set session_replication_role = origin`);
    await query(em, 'select sla_settle($1::uuid[])', [[task.uuid]]);
    expect(await states(task.uuid)).toEqual([`run_time 1 ${state}`]);
  }
});

test('failure, cancellation and what on_failure makes of them', async () => {
  await bind([
    { kind: 'total_time', name: 'voids', limit_s: 100 },
    { kind: 'total_time', name: 'keeps', limit_s: 100, on_failure: 'keep' },
    { kind: 'total_time', name: 'breaks', limit_s: 100, on_failure: 'breach' },
  ]);
  const byName = async (task: string) => Object.fromEntries((await clocksOf(em, task)).map(({ condition, state }) => [condition, state]));
  const failed = await startTask(ctx);
  await finish(failed.runid, 'failed', 'invalid_input');
  expect(await byName(failed.task.uuid)).toEqual({ voids: 'void', keeps: 'running', breaks: 'broken' });
  expect(await told()).toEqual(['breaks 100 failed']);
  await age(em, failed.task.uuid, 101);
  await sweepClocks(em);
  expect(await told()).toEqual(expect.arrayContaining(['breaks 100 failed', 'keeps 100 failed']));
  const cancelled = await submitOne(ctx);
  await cancelTask(ctx, cancelled.uuid, null);
  expect(await byName(cancelled.uuid)).toEqual({ voids: 'void', keeps: 'void', breaks: 'void' });
});

test('a deadline outlives a failure: a retry that ends in time meets it, with one clock', async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  await bind([{ kind: 'deadline', at }]);
  const { runid, task } = await startTask(ctx);
  await finish(runid, 'failed', 'invalid_input');
  expect(await states(task.uuid)).toEqual(['deadline 0 running']);
  await retryTask(ctx, task.uuid);
  const [again] = await admit(em);
  await claim(em, again as never);
  await finish(again?.runid ?? '', 'completed');
  expect(await states(task.uuid)).toEqual(['deadline 0 met']);
  expect(await breaches(em)).toEqual([]);
});

test('a deadline in local time is the next one of its calendar', async () => {
  const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
  const tomorrow = days[(new Date(Date.now() + 86_400_000).getUTCDay() + 6) % 7];
  await bind([{ kind: 'deadline', at: '07:00', timezone: 'Asia/Kolkata', calendar: { days: [tomorrow] } }]);
  const { uuid } = await submitOne(ctx);
  const [clock] = await clocksOf(em, uuid);
  const due = new Date(clock?.due_at ?? 0);
  expect(due.toISOString()).toMatch(/T01:30:00\.000Z$/);
  expect(due.getTime()).toBeGreaterThan(Date.now());
  expect(days[(new Date(due.getTime() + 19_800_000).getUTCDay() + 6) % 7]).toBe(tomorrow);
});

test('time on hold is taken off, of the task, its queue or its pool; a deadline goes on', async () => {
  await bind([
    { kind: 'queue_wait', limit_s: 100 },
    { kind: 'total_time', limit_s: 100, pause_aware: false },
    { kind: 'deadline', at: new Date(Date.now() + 3_600_000).toISOString() },
  ]);
  const { uuid } = await submitOne(ctx);
  const waiting = async () => (await clocksOf(em, uuid))[0];
  const before = await waiting();
  const held = [
    [() => holdTask(ctx, uuid), () => releaseTask(ctx, uuid)],
    [() => changeQueue(ctx, 'q', { status: 'hold' }), () => changeQueue(ctx, 'q', { status: 'active' })],
    [
      () => query(em, `update pools set status = 'hold' where name = 'p'`),
      () => query(em, `update pools set status = 'active' where name = 'p'`),
    ],
  ] as const;
  for (const [n, [stop, go]] of held.entries()) {
    await stop();
    expect((await clocksOf(em, uuid)).map(({ paused }) => paused)).toEqual([true, false, false]);
    await query(em, `update sla_clocks set paused_at = paused_at - interval '50 seconds' where paused_at is not null`);
    await age(em, uuid, 0);
    await sweepClocks(em);
    await go();
    const { paused, paused_ms = 0 } = (await waiting()) ?? {};
    expect(paused).toBe(false);
    expect(paused_ms).toBeGreaterThanOrEqual(50_000 * (n + 1));
    expect(paused_ms).toBeLessThan(50_000 * (n + 1) + 30_000);
  }
  const after = await waiting();
  expect(Date.parse(after?.due_at ?? '') - Date.parse(before?.due_at ?? '')).toBe(after?.paused_ms);
  expect(await breaches(em)).toEqual([]);
});

test('a pause that came while a clock was locked is made up for, and so is its end', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 60 }]);
  const { uuid } = await submitOne(ctx);
  const locked = async (status: 'hold' | 'active') => {
    const blocker = await openBlocker(db, 'select 1 from sla_clocks for no key update');
    await changeQueue(ctx, 'q', { status });
    await blocker.end('rollback');
  };
  const isPaused = async () => (await clocksOf(em, uuid))[0]?.paused;
  for (const status of ['hold', 'active'] as const) {
    await locked(status);
    expect(await isPaused()).toBe(status === 'active');
    expect(await repairPauses(em)).toBe(1);
    expect(await isPaused()).toBe(status === 'hold');
    expect(await repairPauses(em)).toBe(0);
  }
});

test('what was reached before a pause is told although the pause came before the sweep', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 10 }]);
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 11);
  await holdTask(ctx, uuid);
  expect(await told()).toEqual(['queue_wait 100 late']);
});

test('a task waits on hold in a held queue until both are over', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 100 }]);
  const { uuid } = await submitOne(ctx);
  const paused = async () => (await clocksOf(em, uuid))[0]?.paused;
  await changeQueue(ctx, 'q', { status: 'hold' });
  await holdTask(ctx, uuid);
  await changeQueue(ctx, 'q', { status: 'active' });
  expect(await paused()).toBe(true);
  await releaseTask(ctx, uuid);
  expect(await paused()).toBe(false);
});

test('a task that comes into a held queue begins paused', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 100 }]);
  await changeQueue(ctx, 'q', { status: 'hold' });
  const { uuid } = await submitOne(ctx);
  expect((await clocksOf(em, uuid))[0]?.paused).toBe(true);
});

test('clocks of a task that is to start later begin when it becomes eligible', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 100 }]);
  const later = await submitOne(ctx, { not_before: new Date(Date.now() + 3_600_000).toISOString() });
  expect(await clocksOf(em, later.uuid)).toEqual([]);
  await age(em, later.uuid, 3_601);
  await releaseDue(em);
  const [clock] = await clocksOf(em, later.uuid);
  const [row] = await query<{ eligible_at: string }>(em, 'select eligible_at from tasks where uuid = $1', [later.uuid]);
  expect(clock?.started_at).toEqual(row?.eligible_at);
});

test('a queued task that is put off voids its clocks and gets new ones when it is due', async () => {
  await bind([
    { kind: 'queue_wait', limit_s: 100 },
    { kind: 'total_time', limit_s: 100 },
  ]);
  const { uuid } = await submitOne(ctx);
  await changeTask(ctx, uuid, { not_before: new Date(Date.now() + 3_600_000).toISOString() });
  expect(await states(uuid)).toEqual(['queue_wait 1 void', 'total_time 0 void']);
  await changeTask(ctx, uuid, { not_before: null });
  await query(em, `update tasks set not_before = null where uuid = $1`, [uuid]);
  expect((await states(uuid)).slice(2)).toEqual(['queue_wait 1 running', 'total_time 0 running']);
});

test('a dependent gets its clocks when its upstream has ended', async () => {
  await bind([{ kind: 'queue_wait', limit_s: 100 }]);
  const up = await startTask(ctx);
  const [down] = await submit(ctx, { after: [{ task: up.task.uuid, condition: 'succeeded' }] });
  expect(await clocksOf(em, down?.uuid ?? '')).toEqual([]);
  await finish(up.runid, 'completed');
  expect(await states(down?.uuid ?? '')).toEqual(['queue_wait 1 running']);
});

test('more attempts than allowed are told when the surplus one is admitted', async () => {
  await bind([{ kind: 'attempts', max: 1 }]);
  const { runid, task } = await startTask(ctx);
  await finish(runid, 'failed');
  expect(await breaches(em)).toEqual([]);
  await admit(em);
  expect(await told()).toEqual(['attempts 100 attempts']);
  expect(await states(task.uuid)).toEqual(['attempts 0 broken']);
});

test('an assertion judges what a completed task leaves', async () => {
  await bind([
    { kind: 'assertion', name: 'true', that: '$.result.done == true && $.run_s < 1000' },
    { kind: 'assertion', name: 'false', that: '$.result.rows > 0' },
  ]);
  const { runid, task } = await startTask(ctx);
  await finish(runid, 'completed');
  await sweepClocks(em);
  expect(await told()).toEqual(['false 100 assertion']);
  expect(await states(task.uuid)).toEqual(['assertion 0 met', 'assertion 0 broken']);
  const other = await startTask(ctx);
  await finish(other.runid, 'failed', 'invalid_input');
  expect(await states(other.task.uuid)).toEqual(['assertion 0 void', 'assertion 0 void']);
});

test('all and any look at their members', async () => {
  await bind([
    {
      kind: 'all',
      name: 'both',
      of: [
        { kind: 'queue_wait', limit_s: 10 },
        { kind: 'run_time', limit_s: 10 },
      ],
    },
    {
      kind: 'any',
      name: 'either',
      of: [
        { kind: 'queue_wait', limit_s: 10 },
        {
          kind: 'all',
          of: [
            { kind: 'run_time', limit_s: 10 },
            { kind: 'attempts', max: 5 },
          ],
        },
      ],
    },
  ]);
  const { uuid } = await submitOne(ctx);
  await age(em, uuid, 11);
  await sweepClocks(em);
  expect(await told()).toEqual(['either 100 combined']);
  const [instance] = await admit(em);
  await claim(em, instance as never);
  await age(em, uuid, 11);
  await finish(instance?.runid ?? '', 'completed');
  expect((await told()).sort()).toEqual(['both 100 combined', 'either 100 combined']);
  const fine = await startTask(ctx);
  await finish(fine.runid, 'completed');
  const roots = (await clocksOf(em, fine.task.uuid)).filter(({ kind }) => kind === 'all' || kind === 'any');
  expect(roots.map(({ state, stopped_at }) => [state, stopped_at !== null])).toEqual([
    ['met', true],
    ['met', true],
  ]);
  expect(await countOf(em, 'breaches')).toBe(2);
});

test('a limit by the template’s own run times counts from enough samples on', async () => {
  await bind([{ kind: 'run_time', limit: 'p95*1.5', min_samples: 3 }]);
  const early = await startTask(ctx);
  expect(await states(early.task.uuid)).toEqual(['run_time 1 inactive']);
  await finish(early.runid, 'completed');
  expect(await states(early.task.uuid)).toEqual(['run_time 1 void']);
  for (const run_s of [18, 20]) {
    const { task, runid } = await startTask(ctx);
    await age(em, task.uuid, run_s);
    await finish(runid, 'completed');
  }
  await refreshRunTimes(em);
  const [runs] = await query<{ p95_s: number }>(em, `select p95_s from template_runtimes where template = 't'`);
  expect(runs?.p95_s).toBeGreaterThan(18);
  const { task } = await startTask(ctx);
  const [clock] = await clocksOf(em, task.uuid);
  expect(Date.parse(clock?.due_at ?? '') - Date.parse(clock?.started_at ?? '')).toBeCloseTo((runs?.p95_s ?? 0) * 1_500, -1);
});

test('an SLA of a pool, queue, template and task apply together, each once, by the nearest', async () => {
  const mine = await makeSla(ctx, [{ kind: 'total_time', limit_s: 10 }]);
  const shared = await makeSla(ctx, [{ kind: 'queue_wait', limit_s: 10 }]);
  await attach(em, shared);
  await attach(em, shared, 'pool:p');
  await makeTemplate(em, 'u');
  await attach(em, mine, 'template:u');
  const task = await submitOne(ctx, { template: 'u', sla_id: mine });
  const pins = await query<{ scope: string }>(em, 'select scope from task_slas where task_id = $1 order by scope', [task.uuid]);
  expect(pins.map(({ scope }) => scope)).toEqual(['queue:q', `task:${task.uuid}`]);
});

test('many tasks at once get their clocks, are swept and ended in bulk', async () => {
  await bind([
    { kind: 'queue_wait', limit_s: 10 },
    { kind: 'total_time', limit_s: 20 },
  ]);
  const tasks = await submit(ctx, {}, 500);
  expect(await countOf(em, 'sla_clocks')).toBe(1000);
  for (const { uuid } of tasks.slice(0, 3)) await age(em, uuid, 11);
  expect(await sweepClocks(em)).toMatchObject({ told: 3 });
  expect(await countOf(em, 'breaches')).toBe(3);
});
