import { admit } from '../../commands/admit.ts';
import { changeSla } from '../../commands/change-sla.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { sampleWatches, syncWatches } from '../../commands/watch-groups.ts';
import { type Em, query } from '../../entities/sql.ts';
import { SlaChange } from '../../schemas/sla.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, emptyDatabase, makeWorld, outcome, startTask, submit, submitOne } from '../support/factories.ts';
import { makeSchedule } from '../support/schedules.ts';
import { attach, breaches, makeSla, slaContext } from '../support/slas.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
});
afterAll(async () => await db.drop());

const fork = () => db.orm.em.fork() as Em;
/** One round of all dispatchers. */
async function look(): Promise<void> {
  for (let twice = 0; twice < 2; twice += 1) await syncWatches(fork());
  await query(em, `update sla_watches set next_at = now() - interval '1 second'`);
  await Promise.all([sampleWatches(fork()), sampleWatches(fork()), sampleWatches(fork())]);
}
const watch = async (conditions: object[], to?: string): Promise<number> => {
  const id = await makeSla(ctx, conditions);
  await attach(em, id, to);
  return id;
};
const told = async () => (await breaches(em)).map(({ subject, condition, state, epoch }) => `${subject} ${condition} ${epoch} ${state}`);
/** As if the SLA had been attached so many seconds earlier. */
const bindEarlier = async (seconds: number) => {
  await query(em, `update slas set enabled_at = enabled_at - make_interval(secs => $1)`, [seconds]);
  for (const table of ['queues', 'pools', 'templates', 'schedules'])
    await query(em, `update ${table} set sla_since = sla_since - make_interval(secs => $1)`, [seconds]);
};
async function end(status: 'completed' | 'failed', count = 1): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const { runid } = await startTask(ctx);
    await finishInstances(
      em,
      [{ runid, lease_epoch: null, outcome: outcome(status, status === 'failed' ? 'invalid_input' : undefined) }],
      'test',
    );
  }
}

test('a queue that is too deep is told once, until it was shallow again', async () => {
  await watch([{ kind: 'queue_depth', gt: 2, clear: 1 }]);
  const tasks = await submit(ctx, {}, 3);
  for (let twice = 0; twice < 2; twice += 1) await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 open']);
  await query(em, `update tasks set status = 'cancelled', completed_at = now() where uuid = $1`, [tasks[0]?.uuid]);
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 open']);
  await query(em, `update tasks set status = 'cancelled', completed_at = now() where uuid = $1`, [tasks[1]?.uuid]);
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 resolved']);
  await submit(ctx, {}, 3);
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 resolved', 'queue:q queue_depth 2 open']);
});

test('what has to hold for a time is told only after that', async () => {
  await watch([{ kind: 'queue_depth', gt: 0, for_s: 60 }]);
  await submitOne(ctx);
  await look();
  expect(await told()).toEqual([]);
  await query(em, `update sla_watches set since_at = since_at - interval '61 seconds'`);
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 open']);
  expect((await breaches(em))[0]?.late_ms).toBeGreaterThan(900);
});

test('the failure rate counts ended tasks of the window, from enough of them on', async () => {
  await watch([{ kind: 'failure_rate', window_s: 600, min_runs: 4, gt: 0.5 }], 'template:t');
  await end('failed', 3);
  await look();
  expect(await told()).toEqual([]);
  await end('completed', 1);
  await look();
  expect(await told()).toEqual(['template:t failure_rate 1 open']);
  await end('completed', 3);
  await look();
  expect(await told()).toEqual(['template:t failure_rate 1 resolved']);
});

test('absence counts from the latest success, or from when the SLA was attached, to the millisecond', async () => {
  await watch([{ kind: 'absence', within_s: 100 }]);
  await bindEarlier(90);
  await look();
  expect(await told()).toEqual([]);
  await bindEarlier(20);
  await look();
  expect(await told()).toEqual(['queue:q absence 1 open']);
  const [first] = await breaches(em);
  const [queue] = await query<{ since: string }>(em, `select sla_since as since from queues where name = 'q'`);
  expect(Math.abs(Date.parse(first?.due_at ?? '') - Date.parse(queue?.since ?? '') - 100_000)).toBeLessThanOrEqual(2);
  await end('completed');
  await look();
  expect(await told()).toEqual(['queue:q absence 1 resolved']);
});

test('freshness is the age of what was completed, by its nominal time', async () => {
  await watch([{ kind: 'freshness', max_age_s: 3600 }], 'template:t');
  await bindEarlier(7200);
  await end('completed');
  await look();
  expect(await told()).toEqual([]);
  await query(em, `delete from sla_watches`);
  await query(em, `update tasks set nominal_at = now() - interval '2 hours'`);
  await look();
  expect(await told()).toEqual(['template:t freshness 1 open']);
});

test('a fire that was missed is told of its schedule', async () => {
  const id = await makeSchedule(ctx, new Date().toISOString());
  const sla = await makeSla(ctx, [{ kind: 'missed_occurrence' }]);
  await query(em, 'update schedules set sla_id = $2 where id = $1', [id, sla]);
  await query(
    em,
    `insert into occurrences (schedule_id, nominal_at, nominal_local, outcome, fired_at) values ($1, now(), '', 'missed', clock_timestamp())`,
    [id],
  );
  await look();
  expect(await told()).toEqual([`schedule:${id} missed_occurrence 1 open`]);
});

test('a full pool and an old queue are told; both at once as one condition', async () => {
  await query(em, `update pools set total_cpu = 1`);
  await watch(
    [
      { kind: 'pool_utilisation', gt: 0.9 },
      {
        kind: 'all',
        name: 'stuck',
        of: [
          { kind: 'pool_utilisation', gt: 0.9 },
          { kind: 'queue_oldest_age', gt_s: 60 },
        ],
      },
    ],
    'pool:p',
  );
  const { runid } = await startTask(ctx);
  const { uuid } = await submitOne(ctx);
  await look();
  expect(await told()).toEqual(['pool:p pool_utilisation 1 open']);
  await query(em, `update tasks set queued_at = now() - interval '61 seconds' where uuid = $1`, [uuid]);
  await look();
  expect((await told()).sort()).toEqual(['pool:p pool_utilisation 1 open', 'pool:p stuck 1 open']);
  await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome('completed') }], 'test');
  const [next] = await admit(em);
  await claim(em, next as never);
  await finishInstances(em, [{ runid: next?.runid ?? '', lease_epoch: null, outcome: outcome('completed') }], 'test');
  await look();
  expect((await told()).sort()).toEqual(['pool:p pool_utilisation 1 resolved', 'pool:p stuck 1 resolved']);
});

test('a change that leaves the condition as it was tells nothing twice; one that changes it begins anew; taking it away resolves', async () => {
  const id = await watch([{ kind: 'queue_depth', gt: 0 }]);
  await submit(ctx, {}, 3);
  await look();
  const change = async (more: object) => await changeSla(slaContext(ctx), { id, change: SlaChange.parse(more) });
  await change({ actions: [{ do: 'notify' }] });
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 open']);
  await change({ conditions: [{ kind: 'queue_depth', gt: 5 }] });
  await look();
  expect(await told()).toEqual(['queue:q queue_depth 1 resolved']);
  await change({ conditions: [{ kind: 'queue_depth', gt: 1 }] });
  await look();
  expect((await told()).sort()).toEqual(['queue:q queue_depth 1 open', 'queue:q queue_depth 1 resolved']);
  await attach(em, null);
  await look();
  expect((await told()).every((line) => line.endsWith('resolved'))).toBe(true);
});
