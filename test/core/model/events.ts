import fc from 'fast-check';
import { checkDispatch } from './promises.ts';
import { charge, count, leaveKey, type ModelInstance, type ModelTask, settleKey, snapshotOf, type World } from './world.ts';

/** One thing that happens; `n` chooses which task, instance or queue it happens to. */
export type Event = { kind: keyof typeof STEPS; n: number; size: number; late: boolean };

const LENGTHS_S = [10, 40, 200];

const pick = <T>(list: readonly T[], n: number): T | undefined => (list.length === 0 ? undefined : list[n % list.length]);
const livesOf = (world: World): ModelInstance[] => world.instances.filter((instance) => !instance.ended);
const taskOf = (world: World, instance: ModelInstance): ModelTask => world.tasks.get(instance.task) as ModelTask;

function submit(world: World, { n, size }: Event): void {
  const queue = pick(world.queues, n) as World['queues'][number];
  const eligible_at = world.now;
  const task: ModelTask = {
    uuid: `t${String(world.tasks.size).padStart(3, '0')}`,
    queue: queue.name,
    engine: 'shell',
    amount: { cpu_milli: [250, 500, 1000, 2500][size % 4] as number, memory_mb: [100, 1500][n % 2] as number },
    vtime: eligible_at - (n % 101) * queue.step_s * 1000,
    eligible_at,
    timeout_s: pick(LENGTHS_S, n + size) as number,
    p90_s: null,
    status: 'waiting',
    key: n % 3 === 0 ? `k${size % 2}` : null,
    parked: n % 3 === 0,
    user: n % 4,
    bucket: n % 5 === 0 ? `b${size % 2}` : null,
    live: null,
  };
  world.tasks.set(task.uuid, task);
  settleKey(world, task.key);
}

/** A dispatcher reads without a lock; only a fault lets it decide on that. */
function look(world: World, { n }: Event): void {
  world.looked.set(n % 3, snapshotOf(world));
}

function dispatch(world: World, { n, size }: Event): void {
  const before = snapshotOf(world);
  const seen = world.rules.locks ? before : (world.looked.get(n % 3) ?? before);
  const limit = size % 5 === 0 ? 1 : 100;
  const { admissions } = world.rules.decide(seen, limit);
  for (const { uuid, worker } of admissions) {
    const task = world.tasks.get(uuid) as ModelTask;
    if (task.status !== 'waiting' || task.parked) continue;
    task.status = 'live';
    task.live = world.instances.push({ task: uuid, worker, start: world.now, epoch: 0, ended: false, releases: 0 }) - 1;
    count(world, task, { worker, sign: 1 });
    charge(world, task);
  }
  checkDispatch(world, { before, admissions, limit });
}

function start(world: World, { n }: Event): void {
  const instance = pick(livesOf(world), n);
  if (instance) instance.epoch += 1;
}

/** The end of an execution, the present one or a superseded one, perhaps delivered once more. */
const end =
  (next: 'final' | 'waiting') =>
  (world: World, { n, late }: Event): void => {
    const instance = pick(world.instances, n);
    if (!instance) return;
    const epoch = late ? instance.epoch - 1 : instance.epoch;
    if (world.rules.fence && epoch !== instance.epoch) return;
    if (epoch !== instance.epoch && !instance.ended) world.findings.push('a superseded execution ended an instance');
    finish(world, instance, next);
  };

function finish(world: World, instance: ModelInstance, next: 'final' | 'waiting'): void {
  if (instance.ended && world.rules.final) return;
  const task = taskOf(world, instance);
  instance.releases += 1;
  instance.ended = true;
  count(world, task, { worker: instance.worker, sign: -1 });
  if (task.live !== world.instances.indexOf(instance)) return;
  leaveKey(world, task);
  Object.assign(task, { status: next, live: null, parked: task.key !== null });
  settleKey(world, task.key);
}

function cancel(world: World, { n }: Event): void {
  const task = pick([...world.tasks.values()], n);
  if (task?.status !== 'waiting') return;
  if (world.rules.cancel_waiting_frees) count(world, task, { worker: null, sign: -1 });
  leaveKey(world, task);
  task.status = 'final';
  settleKey(world, task.key);
}

/** A worker is lost: its instance ends and the task queues again. */
function crash(world: World, { n }: Event): void {
  world.looked.delete(n % 3);
  const instance = pick(livesOf(world), n);
  if (!instance) return;
  if (world.rules.ends_lost) finish(world, instance, 'waiting');
  else Object.assign(taskOf(world, instance), { status: 'waiting' });
}

function resizePool(world: World, { n, size }: Event): void {
  world.pool.total = { cpu_milli: 1000 + (n % 5) * 1000, memory_mb: 2000 + (size % 3) * 1500 };
  world.promises.clear();
}

function resizeQueue(world: World, { n, size }: Event): void {
  (pick(world.queues, n) as World['queues'][number]).capacity = size % 6;
  world.promises.clear();
}

function hold(world: World, { n, size }: Event): void {
  const door = n % 4 === 3 ? world.pool : (pick(world.queues, n) as World['queues'][number]);
  door.status = size % 2 === 0 ? 'hold' : 'active';
  world.promises.clear();
}

/** Time passes; whoever has outlived its time-out is ended. */
function clock(world: World, { n }: Event): void {
  world.now += (n % 60) * 1000;
  for (const instance of livesOf(world)) {
    if (instance.start + taskOf(world, instance).timeout_s * 1000 <= world.now) finish(world, instance, 'final');
  }
}

const STEPS = {
  submit,
  look,
  dispatch,
  start,
  complete: end('final'),
  fail: end('waiting'),
  duplicate: end('final'),
  cancel,
  crash,
  resizePool,
  resizeQueue,
  hold,
  clock,
};

export const step = (world: World, event: Event): void => STEPS[event.kind](world, event);

/** Submits, dispatches and time come more often than what disturbs them. */
const KINDS = ['submit', 'submit', 'submit', 'dispatch', 'dispatch', 'clock', 'clock', ...(Object.keys(STEPS) as Event['kind'][])] as const;

export const events = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), n: fc.nat(200), size: fc.nat(20), late: fc.boolean() }) as fc.Arbitrary<Event>,
  { minLength: 1, maxLength: 60, size: 'max' },
);
