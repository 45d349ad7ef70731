import type { Amount, Candidate, Holding, PoolState, QueueState, Snapshot, WorkerState } from './admission-state.ts';
import { EngineError } from './errors.ts';
import { type Bucket, microseconds, taken } from './token-bucket.ts';

/** What is free while a decision is made: copies, changed by `take`, `giveBack` and `takeTokens`. */
export type Room = {
  queues: Map<string, QueueState>;
  pools: Map<string, PoolState>;
  workers: Map<string, WorkerState>;
  buckets: Map<string, Bucket>;
};

/** A room of its own for a decision; the snapshot stays as it is. */
export const roomOf = (snapshot: Pick<Snapshot, 'queues' | 'pools' | 'workers' | 'buckets'>): Room => ({
  queues: new Map(snapshot.queues.map((queue) => [queue.name, { ...queue }])),
  pools: new Map(snapshot.pools.map((pool) => [pool.name, copy(pool)])),
  workers: new Map(snapshot.workers.map((worker) => [worker.id, copy(worker)])),
  buckets: new Map(snapshot.buckets.map((bucket) => [bucket.name, bucket])),
});

/** The lists of a snapshot that a room was made from. */
export const listsOf = (room: Room): Pick<Snapshot, 'queues' | 'pools' | 'workers' | 'buckets'> => ({
  queues: [...room.queues.values()],
  pools: [...room.pools.values()],
  workers: [...room.workers.values()],
  buckets: [...room.buckets.values()],
});

export const copyRoom = (room: Room): Room => roomOf(listsOf(room));

const copy = <T extends { used: Amount }>(thing: T): T => ({ ...thing, used: { ...thing.used } });

export const take = (room: Room, holding: Holding): void => shift(room, holding, 1);
export const giveBack = (room: Room, holding: Holding): void => shift(room, holding, -1);

function shift(room: Room, { queue, pool, worker, amount }: Holding, sign: 1 | -1): void {
  const line = room.queues.get(queue);
  if (line) line.current_load += sign;
  for (const holder of [room.pools.get(pool), room.workers.get(worker)]) {
    if (!holder) continue;
    holder.used.cpu_milli += sign * amount.cpu_milli;
    holder.used.memory_mb += sign * amount.memory_mb;
  }
}

/** Takes the tokens of one start out of the buckets of the task and of its queue. */
export function takeTokens(room: Room, candidate: Pick<Candidate, 'queue' | 'bucket'>, now: number): void {
  for (const name of [candidate.bucket, room.queues.get(candidate.queue)?.bucket]) {
    const bucket = name ? room.buckets.get(name) : undefined;
    if (bucket) room.buckets.set(bucket.name, taken(bucket, microseconds(now)));
  }
}

export const free = (thing: { total: Amount; used: Amount }): Amount => ({
  cpu_milli: thing.total.cpu_milli - thing.used.cpu_milli,
  memory_mb: thing.total.memory_mb - thing.used.memory_mb,
});

export const fits = (amount: Amount, room: Amount): boolean => amount.cpu_milli <= room.cpu_milli && amount.memory_mb <= room.memory_mb;

/**
 * The queue of a task and its pool.
 * @throws EngineError internal: the snapshot lacks one of them
 */
export function placeOf(candidate: Candidate, room: Room): { queue: QueueState; pool: PoolState } {
  const queue = room.queues.get(candidate.queue);
  const pool = queue && room.pools.get(queue.pool);
  if (!queue || !pool) throw new EngineError('internal', `snapshot: it lacks the queue "${candidate.queue}" or its pool`);
  return { queue, pool };
}

/** The one worker that a need names, null for none; see `pinnedNeed`. */
const pinnedTo = (need: string): string | null => /\|on ([^|]+)/.exec(need)?.[1] ?? null;

/** Workers of the task's pool that offer its engine, whether they have room or not; of a pinned task at most its worker. */
export const offering = (candidate: Candidate, room: Room): WorkerState[] => {
  const { pool } = placeOf(candidate, room);
  const pinned = pinnedTo(candidate.need);
  const offers = (worker: WorkerState) => worker.pool === pool.name && worker.engines.includes(candidate.engine);
  return [...room.workers.values()].filter((worker) => offers(worker) && (pinned === null || worker.id === pinned));
};

const timesIn = (amount: Amount, room: Amount): number => {
  const [cpu, memory] = [room.cpu_milli / amount.cpu_milli, room.memory_mb / amount.memory_mb];
  return Math.floor(Math.min(amount.cpu_milli === 0 ? Infinity : cpu, amount.memory_mb === 0 ? Infinity : memory));
};

/** How many tasks like this one queue, pool and workers have room for, if nothing else started: never too few. */
export function roomFor(candidate: Candidate, room: Room): number {
  const { queue, pool } = placeOf(candidate, room);
  const onWorkers = offering(candidate, room).reduce((sum, worker) => sum + Math.max(0, timesIn(candidate.amount, free(worker))), 0);
  return Math.max(0, Math.min(queue.capacity - queue.current_load, timesIn(candidate.amount, free(pool)), onWorkers));
}

/** Whether queue, pool and this worker have room for the task; whether the doors are open is another question. */
export function fitsOn(candidate: Candidate, room: Room, worker: string): boolean {
  const { queue, pool } = placeOf(candidate, room);
  const place = room.workers.get(worker);
  if (!place || queue.current_load >= queue.capacity) return false;
  return fits(candidate.amount, free(pool)) && fits(candidate.amount, free(place));
}

/** Best fit first: the worker that is left with the least room, so that large tasks keep finding large gaps; ties by id. */
export function ableWorkers(candidate: Candidate, room: Room): WorkerState[] {
  const left = (worker: WorkerState) => (free(worker).cpu_milli - candidate.amount.cpu_milli) / Math.max(1, worker.total.cpu_milli);
  return offering(candidate, room)
    .filter((worker) => fits(candidate.amount, free(worker)))
    .sort((a, b) => left(a) - left(b) || (a.id < b.id ? -1 : 1));
}
