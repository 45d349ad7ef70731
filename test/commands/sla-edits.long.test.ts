import { randomInt } from 'node:crypto';
import { admit } from '../../commands/admit.ts';
import { changePool } from '../../commands/change-pool.ts';
import { changeQueue } from '../../commands/change-queue.ts';
import { changeSla } from '../../commands/change-sla.ts';
import { changeTask } from '../../commands/change-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { rebindSla } from '../../commands/rebind-sla.ts';
import { EngineError } from '../../core/errors.ts';
import { type Em, query } from '../../entities/sql.ts';
import { SlaChange } from '../../schemas/sla.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, countOf, emptyDatabase, makeQueue, makeWorld, outcome, submit } from '../support/factories.ts';
import { age, attach, makeSla, slaContext } from '../support/slas.ts';
import { sweepClocks } from '../support/sweep.ts';

const given = Number(process.env.SLA_SEED);
const SEEDS = given ? [given] : Array.from({ length: 6 }, () => randomInt(1, 1_000_000));
const ROUNDS = 60;
/** The dice may keep queues or pools on hold for long, and clocks rest then: so many rounds at most until enough was told. */
const MOST_ROUNDS = 240;
const ENOUGH = 20;

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
afterAll(async () => await db.drop());

const CONDITIONS = [
  { kind: 'queue_wait', limit_s: 20, stages: [50, 100] },
  { kind: 'run_time', limit_s: 20 },
  { kind: 'total_time', limit_s: 60, stages: [80, 100] },
  { kind: 'deadline', at: '07:00', timezone: 'Europe/Berlin' },
];

/** The same numbers for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

type World = { sla: number; roll: (sides: number) => number };
const refused = (error: unknown): void => {
  if (!(error instanceof EngineError)) throw error;
};

async function anyTask({ roll }: World, where: string): Promise<string | null> {
  const rows = await query<{ uuid: string }>(em, `select uuid from tasks where ${where} order by uuid`);
  return rows[roll(Math.max(1, rows.length))]?.uuid ?? null;
}
const withTask = async (world: World, where: string, work: (uuid: string) => Promise<unknown>): Promise<void> => {
  const uuid = await anyTask(world, where);
  if (uuid) await work(uuid).catch(refused);
};

/** What people do to an SLA, to what it is attached to, and to tasks; nothing here changes what the conditions say. */
const EDITS: ((world: World) => Promise<unknown>)[] = [
  ({ sla, roll }) => changeSla(slaContext(ctx), { id: sla, change: SlaChange.parse({ priority: roll(100) }) }),
  ({ sla, roll }) => changeSla(slaContext(ctx), { id: sla, change: SlaChange.parse({ description: `for ${roll(1_000)}` }) }),
  ({ sla, roll }) =>
    changeSla(slaContext(ctx), { id: sla, change: SlaChange.parse({ actions: [{ do: 'label', set: { by: `edit-${roll(1_000)}` } }] }) }),
  ({ sla, roll }) => changeSla(slaContext(ctx), { id: sla, change: SlaChange.parse({ cooldown_s: roll(100) }) }),
  ({ sla }) => rebindSla(ctx, sla),
  ({ roll }) => changeQueue(ctx, 'q', { capacity: 5 + roll(20), priority: roll(100) } as never),
  ({ roll }) => changeQueue(ctx, 'q', { status: roll(2) === 0 ? 'hold' : 'active' }),
  ({ roll }) => changePool(ctx, 'p', { status: roll(3) === 0 ? 'hold' : 'active' }),
  (world) => withTask(world, `status = 'queued'`, (uuid) => changeTask(ctx, uuid, { priority: world.roll(100) })),
  (world) => withTask(world, `status in ('queued', 'processing')`, (uuid) => changeTask(ctx, uuid, { tags: { n: String(world.roll(9)) } })),
  (world) => withTask(world, `status = 'queued'`, (uuid) => changeTask(ctx, uuid, { queue: 'other' })),
  (world) => withTask(world, `status = 'queued'`, (uuid) => holdTask(ctx, uuid)),
  (world) => withTask(world, `pending_reason = 'hold'`, (uuid) => releaseTask(ctx, uuid)),
];

/** What the engine does meanwhile. */
async function work(world: World): Promise<void> {
  for (const instance of await admit(db.orm.em.fork() as Em)) if (world.roll(4) > 0) await claim(em, instance);
  const running = await query<{ runid: string }>(em, `select runid from instances where status = 'running' order by runid`);
  for (const { runid } of running.filter(() => world.roll(3) === 0)) {
    const status = world.roll(6) === 0 ? 'failed' : 'completed';
    await finishInstances(em, [{ runid, lease_epoch: null, outcome: outcome(status) }], 'test');
  }
  await submit(ctx, {}, world.roll(4));
}

/** Time passes; then three dispatchers look at once. */
async function pass(world: World): Promise<void> {
  const open = await query<{ uuid: string }>(em, `select uuid from tasks where status not in ('completed', 'failed', 'cancelled')`);
  const seconds = 1 + world.roll(8);
  for (const { uuid } of open) await age(em, uuid, seconds);
  await Promise.all([1, 2, 3].map(() => sweepClocks(db.orm.em.fork() as Em)));
}

/** The promises about clocks, without the margin that they leave to what is under way elsewhere: nothing is, here. */
async function expectClocks(seed: number, round: number): Promise<void> {
  const broken = (await checkInvariants(db.orm.em.fork() as Em)).filter(({ violations }) => violations.length > 0);
  expect({ seed, round, broken }).toEqual({ seed, round, broken: [] });
}

/** One clock, told twice under different versions, would be two rows here. */
const TWICE = `(select c.task_id, k.name, b.stage, c.attempt, c.started_at from breaches b join sla_clocks c on c.task_id = b.task_id and c.epoch = b.epoch
  join sla_conditions k on k.id = c.condition_id and k.name = b.condition group by 1, 2, 3, 4, 5 having count(distinct b.id) > 1) x`;

/** Clocks of one kind that run beside each other for one attempt of a task. */
const DOUBLE = `(select c.task_id, k.name, c.attempt, c.eligible_at from sla_clocks c join sla_conditions k on k.id = c.condition_id where c.stopped_at is null
  group by 1, 2, 3, 4 having count(*) > 1) x`;

it.each(SEEDS)(
  'edits of the SLA, of unrelated fields, holds, moves and rebinds lose no clock and tell nothing twice (seed %i)',
  async (seed) => {
    await emptyDatabase(em);
    ctx = await makeWorld(em, { template: { retry: { max_attempts: 2, initial_s: 0 } } });
    await makeQueue(em, 'other');
    const sla = await makeSla(ctx, CONDITIONS, { actions: [{ do: 'notify' }] });
    for (const to of ['queue:q', 'queue:other']) await attach(em, sla, to);
    const world = { sla, roll: dice(seed) };
    await submit(ctx, {}, 20);
    let told = 0;
    for (let round = 0; round < ROUNDS || (told <= ENOUGH && round < MOST_ROUNDS); round += 1) {
      await EDITS[world.roll(EDITS.length)]?.(world);
      await work(world);
      await pass(world);
      await expectClocks(seed, round);
      expect([seed, round, await countOf(em, TWICE), await countOf(em, DOUBLE)]).toEqual([seed, round, 0, 0]);
      told = await countOf(em, 'breaches');
    }
    expect(told).toBeGreaterThan(ENOUGH);
    expect(await countOf(em, 'sla_versions')).toBeGreaterThan(3);
  },
  240_000,
);
