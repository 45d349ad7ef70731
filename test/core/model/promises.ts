import { type Admission, decide } from '../../../core/admission.ts';
import type { Candidate, Snapshot } from '../../../core/admission-state.ts';
import { startCost } from '../../../core/fair-share.ts';
import type { Bucket } from '../../../core/token-bucket.ts';
import { KEY_LIMIT, snapshotOf, type World } from './world.ts';

const sum = (list: readonly number[]): number => list.reduce((total, n) => total + n, 0);

/** What must hold after each step, worked out from the instances alone. */
export function checkWorld(world: World): void {
  const live = world.instances
    .filter((instance) => !instance.ended)
    .map((instance) => ({ instance, task: world.tasks.get(instance.task) }));
  const say = (broken: boolean, what: string) => broken && world.findings.push(what);
  for (const queue of world.queues) {
    say(
      queue.current_load !== live.filter(({ task }) => task?.queue === queue.name).length,
      `load of queue ${queue.name} is not what runs`,
    );
  }
  for (const [holder, mine] of [
    [world.pool, live] as const,
    ...world.workers.map((w) => [w, live.filter(({ instance }) => instance.worker === w.id)] as const),
  ]) {
    say(holder.used.cpu_milli !== sum(mine.map(({ task }) => task?.amount.cpu_milli ?? 0)), 'a counter is not the sum of its grants');
    say(holder.used.memory_mb !== sum(mine.map(({ task }) => task?.amount.memory_mb ?? 0)), 'a counter is not the sum of its grants');
  }
  say(new Set(live.map(({ instance }) => instance.task)).size !== live.length, 'a task has two live instances');
  say(
    live.some(({ task }) => task?.status !== 'live'),
    'a task that does not run has a live instance',
  );
  say(
    world.instances.some(({ releases }) => releases > 1),
    'a grant was released twice',
  );
  for (const [key, held] of world.keys) {
    const holders = [...world.tasks.values()].filter((task) => task.key === key && task.status !== 'final' && !task.parked).length;
    say(held !== holders, `key ${key} counts ${held}, ${holders} hold it`);
    say(live.filter(({ task }) => task?.key === key).length > KEY_LIMIT, `key ${key} runs more than its limit`);
  }
  for (const bucket of world.buckets.values()) say(overdrawn(bucket, world), `more was taken from ${bucket.name} than came`);
}

/** Whether in some span of time more was taken from a bucket than it holds and tokens came in it. */
function overdrawn({ name, burst, interval_us }: Bucket, world: World): boolean {
  const times = world.taken.filter((taking) => taking.name === name).map(({ at }) => at);
  return times.some((from, first) => times.some((until, last) => last >= first && last - first + 1 > burst + (until - from) / interval_us));
}

type Pass = { before: Snapshot; admissions: Admission[]; limit: number };

/** What must hold of a pass: no limit is exceeded by it, nothing that could start waits, the order is kept, and promised starts are not pushed back. */
export function checkDispatch(world: World, { before, admissions, limit }: Pass): void {
  if (admissions.length > 0) checkLimits(world, admissions);
  const again = decide(snapshotOf(world), 1);
  if (admissions.length < limit && again.admissions.length > 0) world.findings.push('a task that could start was left waiting');
  checkOrder(world, before, admissions);
  checkFairness(world, before, admissions);
  voidPromises(world, admissions);
  checkPromises(world, again.reservations);
}

function checkLimits(world: World, admissions: readonly Admission[]): void {
  const queues = new Set(admissions.map(({ uuid }) => world.tasks.get(uuid)?.queue));
  for (const queue of world.queues.filter(({ name }) => queues.has(name))) {
    if (queue.current_load > queue.capacity) world.findings.push(`queue ${queue.name} started more than its capacity`);
    if (queue.status === 'hold' || world.pool.status === 'hold')
      world.findings.push('something started although its queue or pool is on hold');
  }
  for (const { name, holder } of [
    { name: 'the pool', holder: world.pool },
    ...world.workers.map((holder) => ({ name: 'a worker', holder })),
  ]) {
    const over = holder.used.cpu_milli > holder.total.cpu_milli || holder.used.memory_mb > holder.total.memory_mb;
    if (over) world.findings.push(`${name} holds more than it has`);
  }
}

/** Equals of one queue start in the order of their vtime. */
function checkOrder(world: World, before: Snapshot, admissions: readonly Admission[]): void {
  const started = new Set(admissions.map(({ uuid }) => uuid));
  for (const first of before.candidates.filter(({ uuid }) => started.has(uuid))) {
    const passed = before.candidates.filter(
      (c) => c.queue === first.queue && c.need === first.need && c.bucket === first.bucket && !started.has(c.uuid),
    );
    if (passed.some((c) => c.vtime < first.vtime)) world.findings.push('a task was passed by its equal');
  }
}

/**
 * Where only tasks of one size started in the fair queue, none shorter than one that waits (which may go first beside a reservation): nobody's last start was
 * before that of a user who had used less and still waits.
 */
function checkFairness(world: World, before: Snapshot, admissions: readonly Admission[]): void {
  const started = new Set(admissions.map(({ uuid }) => uuid));
  const fair = before.candidates.filter(({ queue }) => world.queues.find(({ name }) => name === queue)?.fairness === 'user');
  const begun = fair.filter(({ uuid }) => started.has(uuid));
  const startsOf = (user: number): number => begun.filter((c) => c.user === user).length;
  const usageOf = (user: number): number => before.shares.find((share) => share.user === user)?.usage ?? 0;
  for (const task of fair.filter(({ uuid, bucket }) => !started.has(uuid) && bucket === null)) {
    if (begun.some((c) => !sameSize(c, task) || c.timeout_s < task.timeout_s)) continue;
    const cost = startCost(task.amount, world.pool.total);
    const own = usageOf(task.user) + startsOf(task.user) * cost;
    const passed = begun.some(({ user }) => user !== task.user && usageOf(user) + (startsOf(user) - 1) * cost > own + 1e-9);
    if (passed) world.findings.push('a user who has used more went first');
  }
}

const sameSize = (a: Candidate, b: Candidate): boolean => a.need.split('|user ')[0] === b.need.split('|user ')[0];

const rank = (world: World, uuid: string): number => {
  const task = world.tasks.get(uuid);
  const queue = world.queues.find(({ name }) => name === task?.queue);
  return (task?.vtime ?? 0) - ((queue?.priority ?? 0) - 50) * (queue?.step_s ?? 0) * 1000;
};

/** A more urgent task may come at any time and go first; then nothing was promised. */
function voidPromises(world: World, admissions: readonly Admission[]): void {
  for (const uuid of world.promises.keys()) {
    if (admissions.some((admission) => rank(world, admission.uuid) <= rank(world, uuid))) world.promises.delete(uuid);
  }
}

/** The latest start that was promised to a task never rises while it is the one for which room is kept. */
function checkPromises(world: World, reservations: readonly { uuid: string; by: number }[]): void {
  const kept = new Map(reservations.map(({ uuid, by }) => [uuid, by]));
  for (const [uuid, by] of kept) {
    const promised = world.promises.get(uuid);
    if (promised !== undefined && by > Math.max(promised, world.now + 1000)) world.findings.push('a promised start was pushed back');
    world.promises.set(uuid, Math.min(by, promised ?? by));
  }
  for (const uuid of world.promises.keys()) if (!kept.has(uuid)) world.promises.delete(uuid);
}
