import type { Fairness, Share } from './fair-share.ts';
import type { Bucket } from './token-bucket.ts';

/** Cores in thousandths and memory in MB: integers, so that sums are exact. */
export type Amount = { cpu_milli: number; memory_mb: number };

/** What the tasks behind a head that cannot start may do: see `core/admission.ts`. */
export const QueuePolicy = { backfill: 'backfill', strict: 'strict', best_effort: 'best_effort' } as const;
export type QueuePolicy = (typeof QueuePolicy)[keyof typeof QueuePolicy];

/**
 * `step_s`: seconds of waiting that weigh as much as one point of priority. `reserve_after_s`: waiting after which room is kept for a head. `bucket`: from which
 * all its starts are taken; null: any number. `fairness`: see `core/deal.ts`.
 */
export type QueueState = {
  name: string;
  pool: string;
  status: string;
  capacity: number;
  current_load: number;
  priority: number;
  step_s: number;
  policy: QueuePolicy;
  reserve_after_s: number;
  strict_priority: boolean;
  bucket: string | null;
  fairness: Fairness;
};
export type PoolState = { name: string; status: string; total: Amount; used: Amount };
/** A worker that is alive, not draining and polling; `engines`: what it can run now. */
export type WorkerState = { id: string; pool: string; total: Amount; used: Amount; engines: readonly string[] };

/** The concurrency key of a task: how many may hold it, how many do, and whether this task waits (is parked) for its place. */
export type KeyState = { name: string; limit: number; held: number; parked: boolean };

/**
 * A waiting task; `need` is equal for tasks that an admission cannot tell apart (engine and amounts). Instants in milliseconds, lengths in
 * seconds; `p90_s`: how long nine of ten earlier instances took at most, null without history. `bucket`: from which its start is taken, beside that of its queue;
 * null: none.
 */
export type Candidate = {
  uuid: string;
  user: number;
  queue: string;
  need: string;
  engine: string;
  amount: Amount;
  vtime: number;
  eligible_at: number;
  timeout_s: number;
  p90_s: number | null;
  key: KeyState | null;
  bucket: string | null;
};

/** What one instance holds. `expected_end` never lies after `hard_end`, its time-out; both in milliseconds. */
export type Running = Holding & { runid: string; key: string | null; expected_end: number; hard_end: number };

/** An amount with the three rooms that it takes up; it also counts as one in its queue. */
export type Holding = { queue: string; pool: string; worker: string; amount: Amount };

/**
 * Everything a decision rests on. `now` in milliseconds; `running` null: not known, then no room can be kept for anybody. A bucket that is not there counts as empty:
 * somebody else takes from it just now. `shares`: of the users of fair queues, as they are at `now`; one that is not there has used nothing.
 */
export type Snapshot = {
  now: number;
  queues: QueueState[];
  pools: PoolState[];
  workers: WorkerState[];
  candidates: Candidate[];
  running: Running[] | null;
  buckets: Bucket[];
  shares: Share[];
};

export const GateName = {
  queue_status: 'queue_status',
  queue_capacity: 'queue_capacity',
  pool_status: 'pool_status',
  pool_cpu: 'pool_cpu',
  pool_memory: 'pool_memory',
  no_worker: 'no_worker',
  worker_room: 'worker_room',
  concurrency_key: 'concurrency_key',
  rate_limit: 'rate_limit',
  head_of_line: 'head_of_line',
  reservation: 'reservation',
} as const;
export type GateName = (typeof GateName)[keyof typeof GateName];

/** What stands between a task and its start: one gate with what there is and what it would take. */
export type Gate = { gate: GateName; subject: string; have: number | string; need: number | string; detail: string };
