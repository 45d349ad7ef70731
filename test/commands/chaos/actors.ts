import { admit } from '../../../commands/admit.ts';
import { appendLogs } from '../../../commands/append-logs.ts';
import { cancelTask } from '../../../commands/cancel-task.ts';
import { cancelTasks } from '../../../commands/cancel-tasks.ts';
import { changeTask } from '../../../commands/change-task.ts';
import type { CommandContext } from '../../../commands/context.ts';
import { endOverdueTasks } from '../../../commands/end-overdue.ts';
import { type FinishItem, finishInstances } from '../../../commands/finish-instances.ts';
import { forgetIdle } from '../../../commands/forget-idle.ts';
import { holdTask, releaseTask } from '../../../commands/hold-task.ts';
import { keepLeases } from '../../../commands/keep-leases.ts';
import { releaseDue } from '../../../commands/release-due.ts';
import { retryTask } from '../../../commands/retry-task.ts';
import { submitTasks } from '../../../commands/submit-tasks.ts';
import { sampleShares } from '../../../commands/user-shares.ts';
import { type Em, query } from '../../../entities/sql.ts';
import type { TaskSubmission } from '../../../schemas/task.ts';
import { claim, outcome, submission, testEngines } from '../../support/factories.ts';
import type { Random } from './random.ts';
import { type Action, type Chaos, count, found, type Known } from './world.ts';

const contextFor = (chaos: Chaos, random: Random): CommandContext => ({
  em: chaos.em(),
  actor: random.pick(chaos.users) as CommandContext['actor'],
  request_id: null,
});

const operatorOf = (chaos: Chaos): CommandContext['actor'] => chaos.users.at(-1) as CommandContext['actor'];

/** As a dispatcher does from time to time beside its passes. */
const keepBooks: Action = async (chaos) => {
  await sampleShares(chaos.em());
  await forgetIdle(chaos.em());
};

const dispatch: Action = async (chaos, random) => {
  const admitted = await admit(chaos.em(), { limit: random.between(1, 20) });
  count(chaos, 'admitted', admitted.length);
  for (const { runid, task_id, worker } of admitted) chaos.known.push({ runid, task_id, worker, epoch: 0, done: false });
};

const release: Action = async (chaos) => count(chaos, 'released', await releaseDue(chaos.em(), 10));

const someItem = (random: Random, templates: readonly string[], item: Partial<TaskSubmission> = {}): TaskSubmission => {
  const template = random.pick(templates) ?? 'plain';
  const parameters = KEYED.has(template) ? { n: random.between(1, 3) } : {};
  return submission({ template, parameters, priority: random.between(0, 100), ...item });
};

const TEMPLATES = ['plain', 'retried', 'once', 'paid', 'keyed', 'dear', 'rated'];
const KEYED = new Set(['keyed', 'dear', 'rated']);

/** Up to four tasks of any templates in one request. */
const send: Action = async (chaos, random) => {
  const items = Array.from({ length: random.between(1, 4) }, () => someItem(random, TEMPLATES));
  const { tasks } = await submitTasks(contextFor(chaos, random), { items, idempotency: null }, testEngines);
  count(chaos, 'submitted', tasks.length);
  chaos.tasks.push(...tasks.map((task) => task.uuid));
};

/** Tasks that take from one bucket, so that one pass may take several tokens. */
const sendTogether: Action = async (chaos, random) => {
  const items = Array.from({ length: 4 }, () => someItem(random, ['rated'], { parameters: { n: 1 } }));
  const { tasks } = await submitTasks(contextFor(chaos, random), { items, idempotency: null }, testEngines);
  chaos.tasks.push(...tasks.map((task) => task.uuid));
};

/** Rather a task of late, which is more likely under way. */
const someTask = (chaos: Chaos, random: Random): string | undefined =>
  random.pick(random.chance(0.7) ? chaos.tasks.slice(-15) : chaos.tasks);

/** Rather one that is not known to be final. */
const someInstance = (chaos: Chaos, random: Random): Known | undefined => {
  const live = chaos.known.filter((instance) => !instance.done);
  return random.pick(random.chance(0.85) ? live : chaos.known);
};

const cancel: Action = async (chaos, random) => {
  const uuid = random.chance(0.7) ? someInstance(chaos, random)?.task_id : someTask(chaos, random);
  if (!uuid) return;
  await cancelTask(contextFor(chaos, random), uuid, 'chaos');
  count(chaos, 'cancelled');
};

/** As the fire of a schedule does: several at once, as an operator. */
const cancelSome: Action = async (chaos, random) => {
  const uuids = [...new Set(Array.from({ length: random.between(2, 4) }, () => someTask(chaos, random)))].filter(
    (uuid) => uuid !== undefined,
  );
  await chaos
    .em()
    .transactional((tx) => cancelTasks({ em: tx as Em, actor: operatorOf(chaos), request_id: null }, uuids.toSorted(), 'chaos'));
  count(chaos, 'cancelled several');
};

const retry: Action = async (chaos, random) => {
  const ended = await query<{ uuid: string }>(chaos.em(), `select uuid from tasks where status in ('failed', 'cancelled') limit 20`);
  const uuid = random.chance(0.8) ? random.pick(ended)?.uuid : someTask(chaos, random);
  if (!uuid) return;
  // Of others’ tasks a user is told that there are none: mostly somebody asks who may.
  const ctx = contextFor(chaos, random);
  await retryTask(random.chance(0.3) ? ctx : { ...ctx, actor: operatorOf(chaos) }, uuid);
  count(chaos, 'retried');
};

/** Tasks that wait for up to three of late, in any condition. */
const sendAfter: Action = async (chaos, random) => {
  const ctx: CommandContext = { ...contextFor(chaos, random), actor: operatorOf(chaos) };
  const upstreams = new Set(
    Array.from({ length: random.between(1, 3) }, () => someTask(chaos, random)).filter((uuid) => uuid !== undefined),
  );
  const after = [...upstreams].map((task) => ({ task, condition: random.pick(['succeeded', 'done', 'done'] as const) ?? 'done' }));
  const items = Array.from({ length: random.between(1, 2) }, () => someItem(random, ['plain', 'paid', 'keyed', 'dear'], { after }));
  const { tasks } = await submitTasks(ctx, { items, idempotency: null }, testEngines);
  count(chaos, 'chained', tasks.length);
  chaos.tasks.push(...tasks.map((task) => task.uuid));
};

const control: Action = async (chaos, random) => {
  const uuid = someTask(chaos, random);
  if (!uuid) return;
  const ctx = contextFor(chaos, random);
  const queues =
    random.pick([
      ['qa', 'qc'],
      ['qb', 'qd'],
    ]) ?? [];
  await random.pick([
    () => holdTask(ctx, uuid),
    () => releaseTask(ctx, uuid),
    () => releaseTask(ctx, uuid),
    () => changeTask(ctx, uuid, { priority: random.between(0, 100) }),
    () => changeTask(ctx, uuid, { deadline: new Date(random.between(0, 1e12)).toISOString() }),
    () => changeTask(ctx, uuid, { queue: random.pick(queues) ?? 'qa' }),
    () => changeTask(ctx, uuid, { total_timeout_s: 1, queue_timeout_s: 1 }),
  ])?.();
  count(chaos, 'controlled');
};

/** Lets a second pass for one task that has clocks, and settles what is due. */
const sweep: Action = async (chaos) => {
  await query(
    chaos.em(),
    `update tasks set eligible_at = eligible_at - interval '1 s', queued_at = queued_at - interval '1 s' where uuid in (
       select uuid from tasks where due_at is not null and status in ('pending', 'queued') limit 1 for no key update skip locked)`,
  );
  count(chaos, 'overdue', await endOverdueTasks(chaos.em()));
};

/** Claims in order, late, twice, or for a worker that does not hold it. What is known before the call must bind it. */
const take: Action = async (chaos, random) => {
  const instance = someInstance(chaos, random);
  if (!instance) return;
  const execution = Math.max(1, instance.epoch + random.between(-1, 2));
  const worker = random.chance(0.9) ? instance.worker : 'w0';
  const mustLose = instance.done || execution <= instance.epoch || worker === 'w0';
  const won = await claim(chaos.em(), { runid: instance.runid, worker }, execution);
  if (!won) return count(chaos, 'claim refused');
  if (mustLose) found(chaos, `claim of ${instance.runid} by execution ${execution} on ${worker} was won, it had to lose`);
  instance.epoch = Math.max(instance.epoch, execution);
  count(chaos, 'claimed');
  const lines = [0, 1].map((i) => ({ seq: won.next_seq + i, stream: 'stdout' as const, line: 'x' }));
  await appendLogs(chaos.em(), { runid: instance.runid, lease_epoch: execution, lines, cut: 0 });
};

const ENDS = ['completed', 'completed', 'completed', 'failed', 'failed', 'lost', 'timed_out', 'cancelled'] as const;

/** One way to end an instance, and whether what is known now says that it must have no effect. */
function endOf(instance: Known, random: Random): { instance: Known; item: FinishItem; mustLose: boolean } {
  const { runid, epoch, done } = instance;
  const lease_epoch = random.pick([null, epoch, epoch, epoch - 1]) as number | null;
  const item = { runid, lease_epoch, outcome: outcome(random.pick(ENDS) ?? 'failed') };
  return { instance, item, mustLose: done || (lease_epoch !== null && lease_epoch < epoch) };
}

/** Ends up to six instances of any queue in one call: owned, superseded, final already, and whoever holds them. */
const finish: Action = async (chaos, random) => {
  const chosen = new Set(Array.from({ length: random.between(1, 6) }, () => someInstance(chaos, random)));
  const ends = [...chosen].filter((instance) => instance !== undefined).map((instance) => endOf(instance, random));
  const items = ends.map((end) => end.item);
  const done = new Set((await finishInstances(chaos.em(), items, 'worker:chaos')).map((finished) => finished.runid));
  for (const { instance, mustLose } of ends.filter((end) => done.has(end.item.runid))) {
    if (mustLose) found(chaos, `finish of ${instance.runid} took effect, it was superseded or final`);
    instance.done = true;
  }
  count(chaos, 'finished', done.size);
  count(chaos, 'finish refused', items.length - done.size);
};

const heartbeat: Action = async (chaos, random) => {
  const chosen = Array.from({ length: 8 }, () => someInstance(chaos, random)).filter((i) => i !== undefined);
  const leases = chosen.map(({ runid, epoch }) => ({ runid, lease_epoch: epoch, progress: random.between(0, 100), note: null }));
  await keepLeases(chaos.em(), { boot_id: '00000000-0000-4000-8000-000000000001', leases, write: true });
};

/** Resizes, holds and drains what may be; workers of `pb` and `pb` itself keep their size. */
const operate: Action = async (chaos, random) => {
  const state = random.pick(['active', 'active', 'hold', 'drain']) ?? 'active';
  const [sql, parameters] = random.pick([
    [`update pools set total_cpu = $1, total_memory = $2 where name = 'pa'`, [random.between(0, 8), random.between(0, 4000)]],
    [`update queues set capacity = $1 where name = $2`, [random.between(0, 6), random.pick(['qa', 'qc']) ?? 'qa']],
    [`update queues set status = $1 where name = $2`, [state, random.pick(['qa', 'qb', 'qc', 'qd']) ?? 'qa']],
    [`update pools set status = $1 where name = 'pa'`, [state]],
    [`update workers set status = $1 where id = $2`, [random.pick(['active', 'active', 'drain', 'offline']), `w${random.between(1, 5)}`]],
    [
      `update workers set heartbeat_at = now() - make_interval(secs => $1) where id = $2`,
      [random.between(0, 90), `w${random.between(1, 5)}`],
    ],
  ]) as [string, unknown[]];
  await query(chaos.em(), sql, parameters);
  count(chaos, 'operated');
};

/** Everything that an actor may do, by name. */
export const ACTIONS = {
  dispatch,
  release,
  send,
  sendTogether,
  sendAfter,
  cancel,
  cancelSome,
  retry,
  control,
  sweep,
  take,
  finish,
  heartbeat,
  operate,
};

/** Who takes part: each has what it may do, and repeats it until the run is over. */
export const ACTORS: Record<string, Action[]> = {
  'dispatcher 1': [dispatch, dispatch, release, keepBooks],
  'dispatcher 2': [dispatch, dispatch, release],
  'dispatcher 3': [dispatch, dispatch, release],
  'dispatcher 4': [dispatch, dispatch, release],
  'client 1': [send, send, send, sendTogether, cancel, retry, sendAfter],
  'client 2': [send, send, cancel, cancel, retry, sendAfter],
  'client 3': [control, control, sendAfter, cancel, cancelSome],
  clock: [sweep],
  'worker 1': [take, take, finish, heartbeat],
  'worker 2': [take, take, finish, heartbeat],
  'worker 3': [take, finish, finish],
  operator: [operate],
};
