import { decide, needKey } from '../../../core/admission.ts';
import type { Candidate, QueueState, Snapshot } from '../../../core/admission-state.ts';
import { fairNeed, type Share, startCost } from '../../../core/fair-share.ts';
import { type Bucket, taken } from '../../../core/token-bucket.ts';

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
  /** Whether a start takes a token of its bucket. */
  takes_tokens: boolean;
  /** Whether a start counts against its user. */
  counts_usage: boolean;
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
  takes_tokens: true,
  counts_usage: true,
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
  buckets: Map<string, Bucket>;
  /** When tokens were taken of which bucket, in microseconds. */
  taken: { name: string; at: number }[];
  shares: Map<string, Share>;
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
  bucket: null,
  fairness: 'none',
  ...change,
});

const BUCKETS: Bucket[] = [
  { name: 'b0', burst: 2, interval_us: 20_000_000, full_at: 0 },
  { name: 'b1', burst: 1, interval_us: 5_000_000, full_at: 0 },
  { name: 'bc', burst: 3, interval_us: 7_000_000, full_at: 0 },
];

export const newWorld = (rules: Rules): World => ({
  rules,
  now: 1_000_000_000,
  queues: [
    line('a', {}),
    line('b', { policy: 'strict', priority: 60 }),
    line('c', { policy: 'best_effort', capacity: 2, fairness: 'user', bucket: 'bc' }),
  ],
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
  buckets: new Map(BUCKETS.map((bucket) => [bucket.name, bucket])),
  taken: [],
  shares: new Map(),
  looked: new Map(),
  promises: new Map(),
  findings: [],
});

/** The state as an admission reads it. */
export function snapshotOf(world: World): Snapshot {
  const candidates = [...world.tasks.values()]
    .filter((task) => task.status === 'waiting' && !task.parked)
    .map((task): Candidate => ({ ...task, need: needOf(world, task), key: null }));
  const running = world.instances.flatMap((instance, n) => {
    const task = world.tasks.get(instance.task) as ModelTask;
    const end = Math.max(instance.start + task.timeout_s * 1000, world.now + 1000);
    const ends = { expected_end: end, hard_end: end };
    return instance.ended
      ? []
      : [{ queue: task.queue, pool: 'p', worker: instance.worker, amount: task.amount, runid: `${n}`, key: task.key, ...ends }];
  });
  const { now, queues, workers } = world;
  const others = { buckets: [...world.buckets.values()], shares: [...world.shares.values()] };
  return structuredClone({ now, queues, pools: [world.pool], workers, candidates, running, ...others });
}

const needOf = (world: World, { engine, amount, queue, user }: ModelTask): string =>
  fairNeed(needKey(engine, amount.cpu_milli, amount.memory_mb), world.queues.find(({ name }) => name === queue)?.fairness ?? 'none', user);

/** What a start takes beside room: tokens of the buckets of task and queue, and what its user has had of the pool. */
export function charge(world: World, task: ModelTask): void {
  const queue = world.queues.find(({ name }) => name === task.queue);
  takeToken(world, task.bucket);
  takeToken(world, queue?.bucket ?? null);
  if (queue?.fairness !== 'user' || !world.rules.counts_usage) return;
  const key = `${queue.name} ${task.user}`;
  const usage = (world.shares.get(key)?.usage ?? 0) + startCost(task.amount, world.pool.total);
  world.shares.set(key, { queue: queue.name, user: task.user, usage });
}

function takeToken(world: World, name: string | null): void {
  const bucket = world.buckets.get(name ?? '');
  if (!bucket) return;
  world.taken.push({ name: bucket.name, at: world.now * 1000 });
  if (world.rules.takes_tokens) world.buckets.set(bucket.name, taken(bucket, world.now * 1000));
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
