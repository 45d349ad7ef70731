import { decide, needKey } from '../../../core/admission.ts';
import type { Candidate, QueueState, Snapshot } from '../../../core/admission-state.ts';

/** A task of the model; `live`: the number of its instance that holds resources, null: none. */
export type ModelTask = Omit<Candidate, 'key' | 'need'> & {
  status: 'waiting' | 'live' | 'final';
  key: string | null;
  parked: boolean;
  live: number | null;
};
export type ModelInstance = { task: string; worker: string; start: number; epoch: number; ended: boolean; releases: number };

/** What the rest of the system does around the pure core; a planted fault replaces one of these. */
export type Rules = {
  decide: typeof decide;
  /** Whether a dispatcher decides on what it reads under locks, or on what it read before. */
  locks: boolean;
  /** Whether an end must name the present execution. */
  fence: boolean;
  /** Whether an instance that has ended refuses another end. */
  final: boolean;
  /** Whether cancelling a waiting task leaves the counters alone. */
  cancel_waiting_frees: boolean;
  /** Whether a lost worker's instance is ended before its task queues again. */
  ends_lost: boolean;
  /** Whether the end of a task gives back its place of a key. */
  key_returns: boolean;
  /** Whether a key is looked at before a task gets a place. */
  key_limits: boolean;
};

export const RULES: Rules = {
  decide,
  locks: true,
  fence: true,
  final: true,
  cancel_waiting_frees: false,
  ends_lost: true,
  key_returns: true,
  key_limits: true,
};

export const KEY_LIMIT = 2;

/** Plain maps: the whole state, and what was seen broken. */
export type World = {
  rules: Rules;
  now: number;
  queues: QueueState[];
  pool: Snapshot['pools'][number];
  workers: Snapshot['workers'];
  tasks: Map<string, ModelTask>;
  instances: ModelInstance[];
  keys: Map<string, number>;
  looked: Map<number, Snapshot>;
  promises: Map<string, number>;
  findings: string[];
};

const line = (name: string, change: Partial<QueueState>): QueueState => ({
  name,
  pool: 'p',
  status: 'active',
  capacity: 4,
  current_load: 0,
  priority: 50,
  step_s: 60,
  policy: 'backfill',
  reserve_after_s: 30,
  strict_priority: false,
  ...change,
});

export const newWorld = (rules: Rules): World => ({
  rules,
  now: 1_000_000_000,
  queues: [line('a', {}), line('b', { policy: 'strict', priority: 60 }), line('c', { policy: 'best_effort', capacity: 2 })],
  pool: { name: 'p', status: 'active', total: { cpu_milli: 4000, memory_mb: 4000 }, used: { cpu_milli: 0, memory_mb: 0 } },
  workers: ['w1', 'w2'].map((id) => ({
    id,
    pool: 'p',
    engines: ['shell'],
    total: { cpu_milli: 2500, memory_mb: 2500 },
    used: { cpu_milli: 0, memory_mb: 0 },
  })),
  tasks: new Map(),
  instances: [],
  keys: new Map(),
  looked: new Map(),
  promises: new Map(),
  findings: [],
});

/** The state as an admission reads it. */
export function snapshotOf(world: World): Snapshot {
  const candidates = [...world.tasks.values()]
    .filter((task) => task.status === 'waiting' && !task.parked)
    .map((task): Candidate => ({ ...task, need: needKey(task.engine, task.amount.cpu_milli, task.amount.memory_mb), key: null }));
  const running = world.instances.flatMap((instance, n) => {
    const task = world.tasks.get(instance.task) as ModelTask;
    const end = Math.max(instance.start + task.timeout_s * 1000, world.now + 1000);
    const ends = { expected_end: end, hard_end: end };
    return instance.ended
      ? []
      : [{ queue: task.queue, pool: 'p', worker: instance.worker, amount: task.amount, runid: `${n}`, key: task.key, ...ends }];
  });
  return structuredClone({ now: world.now, queues: world.queues, pools: [world.pool], workers: world.workers, candidates, running });
}

/** Takes (1) or gives back (-1) what a task holds. */
export function count(world: World, task: ModelTask, { worker, sign }: { worker: string | null; sign: 1 | -1 }): void {
  const queue = world.queues.find(({ name }) => name === task.queue);
  if (queue) queue.current_load += sign;
  for (const holder of [world.pool, world.workers.find(({ id }) => id === worker)]) {
    if (!holder) continue;
    holder.used.cpu_milli += sign * task.amount.cpu_milli;
    holder.used.memory_mb += sign * task.amount.memory_mb;
  }
}

/** Gives free places of a key to the first that wait for one. */
export function settleKey(world: World, key: string | null): void {
  if (key === null) return;
  const waiting = [...world.tasks.values()]
    .filter((task) => task.key === key && task.status === 'waiting' && task.parked)
    .sort((a, b) => a.vtime - b.vtime || (a.uuid < b.uuid ? -1 : 1));
  for (const task of waiting) {
    const held = world.keys.get(key) ?? 0;
    if (world.rules.key_limits && held >= KEY_LIMIT) return;
    world.keys.set(key, held + 1);
    task.parked = false;
  }
}

/** Gives back the place of a key that a task holds. */
export function leaveKey(world: World, task: ModelTask): void {
  if (task.key === null || task.parked || !world.rules.key_returns) return;
  world.keys.set(task.key, (world.keys.get(task.key) ?? 0) - 1);
}
