import { type Admission, decide } from '../../../core/admission.ts';
import type { Snapshot } from '../../../core/admission-state.ts';
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
}

type Pass = { before: Snapshot; admissions: Admission[]; limit: number };

/** What must hold of a pass: no limit is exceeded by it, nothing that could start waits, the order is kept, and promised starts are not pushed back. */
export function checkDispatch(world: World, { before, admissions, limit }: Pass): void {
  if (admissions.length > 0) checkLimits(world, admissions);
  const again = decide(snapshotOf(world), 1);
  if (admissions.length < limit && again.admissions.length > 0) world.findings.push('a task that could start was left waiting');
  checkOrder(world, before, admissions);
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
    const passed = before.candidates.filter((c) => c.queue === first.queue && c.need === first.need && !started.has(c.uuid));
    if (passed.some((c) => c.vtime < first.vtime)) world.findings.push('a task was passed by its equal');
  }
}

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
