import { admit } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { previewRetention, requestRetention } from '../../commands/request-retention.ts';
import { forgetKeys, type RetentionEnd, runRetention, scheduleRetention } from '../../commands/run-retention.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import type { RetentionPolicy } from '../../core/retention.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, countOf, emptyDatabase, makeWorld, outcome, startTask, submission, submitOne, testEngines } from '../support/factories.ts';
import { makeOldTasks, rowCounts } from '../support/old-rows.ts';
import { age, attach, makeSla } from '../support/slas.ts';
import { sweepClocks } from '../support/sweep.ts';

const POLICY: RetentionPolicy = {
  idempotency_hours: 24,
  log_days: 30,
  instance_days: 30,
  task_days: 30,
  audit_days: 60,
  flames_log_days: 30,
  notice_days: 60,
};
const running = () => new AbortController().signal;

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
afterAll(async () => await db.drop());
beforeEach(async () => {
  await emptyDatabase(em);
  await query(em, 'truncate retention_runs');
  ctx = await makeWorld(em);
});

const fork = () => db.orm.em.fork() as Em;

async function run(policy: Partial<RetentionPolicy> = {}, signal: AbortSignal = running()): Promise<RetentionEnd> {
  const { id } = await requestRetention(ctx);
  return await runRetention(id as number, { fork, policy: { ...POLICY, ...policy }, signal });
}

async function expectClean(): Promise<void> {
  expect((await checkInvariants(fork())).filter(({ violations }) => violations.length > 0)).toEqual([]);
}

/** Aborts after so many batches have been committed. */
async function stopAfter(batches: number): Promise<{ signal: AbortSignal; fork: () => Em }> {
  const stop = new AbortController();
  let seen = 0;
  const counting = () => {
    seen += 1;
    if (seen > batches + 1) stop.abort();
    return fork();
  };
  return { signal: stop.signal, fork: counting };
}

test('what ended before the limit goes with everything that belongs to it, what ended after it stays', async () => {
  await makeOldTasks(em, { tasks: 5, age_days: 31, lines: 3 });
  await makeOldTasks(em, { tasks: 4, age_days: 29, lines: 3 });
  const { status, removed } = await run();
  expect({ status, removed }).toEqual({
    status: 'completed',
    removed: { instance_logs: 15, instances: 5, grants: 5, tasks: 5, task_history: 15 },
  });
  expect(await rowCounts(em)).toMatchObject({ tasks: 4, instances: 4, grants: 4, instance_logs: 12, task_history: 12 });
  await expectClean();
});

test.each(['completed', 'failed', 'cancelled'] as const)('a task that %s long ago goes', async (status) => {
  await makeOldTasks(em, { tasks: 1, age_days: 40, status });
  expect((await run()).removed).toMatchObject({ tasks: 1, instances: 1 });
});

test('nothing that is alive goes, however old it is', async () => {
  await submitOne(ctx);
  await submitOne(ctx, { not_before: '2090-01-01T00:00:00Z' });
  await startTask(ctx, { claimed: false });
  await startTask(ctx);
  await query(em, `alter table tasks disable trigger user`);
  await query(em, `update tasks set created_at = created_at - interval '2 years', updated_at = updated_at - interval '2 years'`);
  await query(em, `alter table tasks enable trigger user`);
  await query(em, `update instances set created_at = created_at - interval '2 years'`);
  const before = await rowCounts(em);
  expect((await run()).removed).toEqual({});
  expect(await rowCounts(em)).toEqual({ ...before, audit_log: before.audit_log + 2 });
});

test('an old instance of a task that goes on is removed, the task and its history stay', async () => {
  await makeOldTasks(em, { tasks: 1, age_days: 40, status: 'failed' });
  await query(em, `update tasks set status = 'queued', completed_at = null`);
  await query(
    em,
    `insert into task_history (task_id, subject, from_status, to_status, actor) select uuid, 'task', 'failed', 'queued', 'test' from tasks`,
  );
  expect((await run()).removed).toEqual({ instance_logs: 2, instances: 1, grants: 1 });
  expect(await rowCounts(em)).toMatchObject({ tasks: 1, task_history: 4 });
  await expectClean();
});

test('an instance that still holds its grant is never removed', async () => {
  await makeOldTasks(em, { tasks: 2, age_days: 40 });
  await query(em, `alter table grants disable trigger user`);
  await query(em, `update grants set released_at = null where runid = (select runid from grants limit 1)`);
  await query(em, `alter table grants enable trigger user`);
  expect((await run()).removed).toMatchObject({ instances: 1, tasks: 1 });
  expect(await countOf(em, 'grants where released_at is null')).toBe(1);
});

test('log lines may go before their instances', async () => {
  await makeOldTasks(em, { tasks: 3, age_days: 10, lines: 4 });
  expect((await run({ log_days: 7 })).removed).toEqual({ instance_logs: 12 });
  expect(await rowCounts(em)).toMatchObject({ tasks: 3, instances: 3, grants: 3 });
});

test('what is kept for ever stays', async () => {
  await makeOldTasks(em, { tasks: 3, age_days: 4_000 });
  const before = await rowCounts(em);
  expect((await run({ log_days: 0, audit_days: 0, notice_days: 0 })).removed).toEqual({});
  expect(await rowCounts(em)).toEqual({ ...before, audit_log: before.audit_log + 2 });
});

test('the operation log goes by its own limit, and never before the task that it is about', async () => {
  await makeOldTasks(em, { tasks: 2, age_days: 100 });
  await makeOldTasks(em, { tasks: 3, age_days: 40 });
  await query(
    em,
    `insert into audit_log (actor, action, subject_type, subject_id, created_at) values ('x', 'pool.change', 'pool', 'p', '2020-01-01')`,
  );
  await query(
    em,
    `insert into audit_log (actor, action, subject_type, subject_id, created_at) values ('x', 'odd', 'task', 'no uuid', '2020-01-01')`,
  );
  expect((await run({ task_days: 0 })).removed.audit_log).toBe(2);
  expect((await run()).removed).toMatchObject({ tasks: 5, audit_log: 2 });
  expect(await countOf(em, `audit_log where action = 'task.submit'`)).toBe(3);
});

test('breaches go when their task is gone, those of groups when they were resolved long ago; loans when they have ended', async () => {
  const sla = await makeSla(
    ctx,
    [
      { kind: 'queue_wait', limit_s: 10 },
      { kind: 'queue_depth', gt: 2 },
    ],
    { actions: [{ do: 'notify' }] },
  );
  await attach(em, sla);
  const [open, gone] = [await submitOne(ctx), await submitOne(ctx)];
  for (const { uuid } of [open, gone]) await age(em, uuid, 11);
  await sweepClocks(em);
  const group = (state: string) =>
    query(
      em,
      `insert into breaches (sla_id, sla_version_id, path, condition, kind, stage, epoch, subject_type, subject_id, scope, due_at, state, resolved_at)
       select $1, id, '1', 'queue_depth', 'queue_depth', 100, 1, 'queue', $2, 'queue:q', now(), $2, case when $2 = 'resolved' then now() - interval '70 days' end
       from sla_versions where sla_id = $1`,
      [sla, state],
    );
  for (const state of ['open', 'resolved']) await group(state);
  for (const ended of [null, new Date(0).toISOString()])
    await query(
      em,
      `insert into pool_resizes (pool, cpu, memory_mb, until_at, ended_at, actor, reason) values ('p', 0, 0, now(), $1, 'sla:x', '')`,
      [ended],
    );
  await query(em, `update breaches set task_id = null where task_id = $1`, [gone.uuid]);
  for (const table of ['breaches', 'pool_resizes']) await query(em, `update ${table} set created_at = now() - interval '70 days'`);
  expect((await run()).removed).toEqual({ breaches: 2, pool_resizes: 1 });
  const left = await query<{ subject_id: string }>(em, 'select subject_id from breaches order by subject_type');
  expect(left.map(({ subject_id }) => subject_id)).toEqual(['open', open.uuid]);
  expect(await countOf(em, 'breach_actions')).toBe(2);
});

test('a dry run tells exactly what the run then removes', async () => {
  await makeOldTasks(em, { tasks: 7, age_days: 90, lines: 2 });
  await makeOldTasks(em, { tasks: 5, age_days: 20, lines: 2 });
  await startTask(ctx);
  const before = await rowCounts(em);
  for (const change of [{}, { log_days: 10 }, { instance_days: 10, log_days: 10 }]) {
    const preview = await previewRetention(ctx, { ...POLICY, ...change });
    expect(preview).toMatchObject({ id: null, dry_run: true });
    expect(await rowCounts(em)).toMatchObject({ tasks: before.tasks });
    const { removed } = await run(change);
    for (const [table, n] of Object.entries(preview.removed)) expect([table, removed[table] ?? 0]).toEqual([table, n]);
    await makeOldTasks(em, { tasks: 7, age_days: 90, lines: 2 });
    before.tasks = (await rowCounts(em)).tasks;
  }
});

test('a run that is broken off anywhere leaves every promise kept, goes on where it was, and counts each row once', async () => {
  await makeOldTasks(em, { tasks: 120, age_days: 40, lines: 30 });
  await startTask(ctx);
  const { id } = await requestRetention(ctx);
  let breaks = 0;
  for (let batches = 1; ; batches += 1) {
    const { status, removed } = await runRetention(id as number, { policy: POLICY, ...(await stopAfter(batches)) });
    await expectClean();
    if (status === 'completed') {
      expect(removed).toEqual({ instance_logs: 3600, instances: 120, grants: 120, tasks: 120, task_history: 360 });
      break;
    }
    expect(status).toBe('interrupted');
    breaks += 1;
  }
  expect(breaks).toBeGreaterThan(1);
});

test('no transaction removes more than a thousand rows of a table, of fifty thousand', async () => {
  for (const _ of [1, 2, 3, 4, 5]) await makeOldTasks(em, { tasks: 2_500, age_days: 70, lines: 4 });
  await query(em, `create table removals (tab text, n int)`);
  await query(
    em,
    `create function note_removal() returns trigger language plpgsql as 'begin insert into removals select tg_table_name, count(*) from gone; return null; end'`,
  );
  for (const table of ['tasks', 'instances', 'instance_logs', 'audit_log'])
    await query(
      em,
      `create trigger note_removal after delete on ${table} referencing old table as gone for each statement execute function note_removal()`,
    );
  const { status, removed } = await run();
  const most = await query(em, `select tab, max(n)::int4 as most, sum(n)::int4 as total from removals group by tab order by tab`);
  await query(em, 'drop function note_removal cascade');
  await query(em, 'drop table removals');
  expect({ status, removed }).toMatchObject({
    status: 'completed',
    removed: { tasks: 12_500, instance_logs: 50_000, task_history: 37_500 },
  });
  expect(most).toEqual([
    { tab: 'audit_log', most: 1000, total: 12_500 },
    { tab: 'instance_logs', most: 1000, total: 50_000 },
    { tab: 'instances', most: 1000, total: 12_500 },
    { tab: 'tasks', most: 1000, total: 12_500 },
  ]);
  expect(await rowCounts(em)).toMatchObject({ tasks: 0, instances: 0, grants: 0, instance_logs: 0, task_history: 0 });
});

test('work goes on meanwhile: nothing of it is touched, no promise is broken', async () => {
  await makeOldTasks(em, { tasks: 4_000, age_days: 40, lines: 5 });
  const { id } = await requestRetention(ctx);
  let over = false;
  const cleaning = runRetention(id as number, { fork, policy: POLICY, signal: running() }).finally(() => {
    over = true;
  });
  let finished = 0;
  while (!over) {
    await submitTasks({ ...ctx, em: fork() }, { items: [submission(), submission()], idempotency: null }, testEngines);
    for (const instance of await admit(fork())) {
      await claim(fork(), instance);
      await finishInstances(fork(), [{ runid: instance.runid, lease_epoch: 1, outcome: outcome('completed') }], 'worker:w');
      finished += 1;
    }
  }
  expect((await cleaning).removed).toMatchObject({ tasks: 4_000, instance_logs: 20_000 });
  expect(finished).toBeGreaterThan(0);
  expect(await countOf(em, `tasks where status = 'completed'`)).toBe(finished);
  await expectClean();
});

test('two at once share the work, and each row is counted once', async () => {
  await makeOldTasks(em, { tasks: 3_000, age_days: 40 });
  const { id } = await requestRetention(ctx);
  const options = { fork, policy: POLICY, signal: running() };
  await Promise.all([runRetention(id as number, options), runRetention(id as number, options)]);
  const again = await run();
  const [first] = await query<{ removed: Record<string, number> }>(em, `select removed from retention_runs where id = $1`, [id]);
  const total = (table: string) => (first?.removed[table] ?? 0) + (again.removed[table] ?? 0);
  expect([total('tasks'), total('instances'), total('instance_logs'), total('task_history')]).toEqual([3_000, 3_000, 6_000, 9_000]);
});

test('a table that refers to tasks and forbids their removal makes the run fail, with the reason, and nothing else is lost', async () => {
  await makeOldTasks(em, { tasks: 2, age_days: 40 });
  await query(em, `create table bound (task_id uuid references tasks (uuid))`);
  await query(em, `insert into bound select uuid from tasks limit 1`);
  const end = await run();
  await query(em, 'drop table bound');
  expect(end).toMatchObject({ status: 'failed', error: expect.stringContaining('bound'), removed: { instances: 2 } });
  expect(await rowCounts(em)).toMatchObject({ tasks: 2, task_history: 6 });
});

test('every table that refers to tasks or instances lets them go', async () => {
  const own = ['instances.task_id', 'task_history.task_id', 'instance_logs.runid', 'grants.runid'];
  const binding = await query<{ x: string }>(
    em,
    `select c.conrelid::regclass || '.' || a.attname as x from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
     where c.contype = 'f' and c.confrelid in ('tasks'::regclass, 'instances'::regclass) and c.confdeltype not in ('c', 'n')`,
  );
  expect(binding.map(({ x }) => x).sort()).toEqual(own.sort());
});

test('a run is asked for once while one waits, and every request and end is in the operation log', async () => {
  const [first, second] = [await requestRetention(ctx), await requestRetention(ctx)];
  expect(second.id).toBe(first.id);
  await runRetention(first.id as number, { fork, policy: POLICY, signal: running() });
  expect((await requestRetention(ctx)).id).not.toBe(first.id);
  const actions = await query<{ action: string }>(em, `select action from audit_log where subject_type = 'retention_run' order by id`);
  expect(actions.map(({ action }) => action)).toEqual([
    'retention.request',
    'retention.request',
    'retention.completed',
    'retention.request',
  ]);
});

test('the daily run is written once, and none for a time before the installation', async () => {
  const at = new Date(Date.now() + 60_000);
  await Promise.all([1, 2, 3].map(() => scheduleRetention(fork(), at)));
  await scheduleRetention(fork(), new Date('2020-01-01T03:30:00Z'));
  expect(await query(em, 'select scheduled_for::text is not null as due, status from retention_runs')).toEqual([
    { due: true, status: 'requested' },
  ]);
});

describe('an idempotency key', () => {
  const send = async () =>
    await submitTasks(ctx, { items: [submission()], idempotency: { key: 'k', request_hash: 'h'.repeat(64) } }, testEngines);
  const forget = async () => await forgetKeys({ fork, policy: POLICY, signal: running() });
  const age = (hours: number) => query(em, `update idempotency_keys set created_at = now() - make_interval(mins => $1)`, [hours * 60]);

  it('is remembered as long as the setting says, and then free for another request', async () => {
    const first = await send();
    await age(23.9);
    expect(await forget()).toBe(0);
    expect((await send()).tasks[0]?.uuid).toBe(first.tasks[0]?.uuid);
    await age(24.1);
    expect(await forget()).toBe(1);
    expect((await send()).tasks[0]?.uuid).not.toBe(first.tasks[0]?.uuid);
  });

  it('goes by the thousand', async () => {
    await query(
      em,
      `insert into idempotency_keys (user_id, key, request_hash, response, created_at)
       select id, 'k' || n, 'h', '{}', now() - interval '2 days' from users, generate_series(1, 3500) n`,
    );
    expect(await forget()).toBe(3500);
  });
});
