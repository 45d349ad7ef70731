import type { Amount, Candidate, Gate, KeyState, PoolState, QueueState, WorkerState } from './admission-state.ts';
import { fits, free, offering, placeOf, type Room } from './room.ts';
import { microseconds, readyAt, tokensAt } from './token-bucket.ts';

/** Gates that running work opens again by ending: only behind these is room kept for a task. */
const OPENED_BY_ENDS: ReadonlySet<string> = new Set(['pool_cpu', 'pool_memory', 'worker_room']);

export const waitsForRoomOnly = (gates: readonly Gate[]): boolean => gates.every((gate) => OPENED_BY_ENDS.has(gate.gate));

/** Gates that queue, pool and workers close for the task and all others of its queue and need; empty: there is room for them. */
export function roomGates(candidate: Candidate, room: Room, now: number): Gate[] {
  const { queue, pool } = placeOf(candidate, room);
  return [
    ...queueGates(queue),
    ...rateGates(queue.bucket, room, now),
    ...poolGates(pool, candidate.amount),
    ...workerGates(candidate, offering(candidate, room), pool.name),
  ];
}

/** Gates that are closed for this task, whatever its equals may do: the key of which it takes a place, the bucket of its template. */
export const ownGates = (candidate: Candidate, room: Room, now: number): Gate[] => [
  ...keyGates(candidate.key),
  ...rateGates(candidate.bucket, room, now),
];

function rateGates(name: string | null, room: Room, now: number): Gate[] {
  if (name === null) return [];
  const bucket = room.buckets.get(name);
  const subject = `rate limit ${name}`;
  if (!bucket)
    return [{ gate: 'rate_limit', subject, have: 0, need: 1, detail: `rate limit "${name}": its tokens are being given out just now` }];
  const have = tokensAt(bucket, microseconds(now));
  if (have >= 1) return [];
  const next = new Date(Math.ceil(readyAt(bucket) / 1000)).toISOString();
  const detail = `rate limit "${name}" gives a token each ${bucket.interval_us / 1_000_000} s, the next at ${next}`;
  return [{ gate: 'rate_limit', subject, have, need: 1, detail }];
}

function held(kind: 'queue' | 'pool', name: string, status: string): Gate[] {
  if (status !== 'hold') return [];
  const detail = `${kind} "${name}" is on hold: it starts nothing`;
  return [{ gate: `${kind}_status`, subject: `${kind} ${name}`, have: status, need: 'active', detail }];
}

function queueGates(queue: QueueState): Gate[] {
  const gates = held('queue', queue.name, queue.status);
  if (queue.current_load >= queue.capacity) {
    const detail = `queue "${queue.name}" runs ${queue.current_load} of at most ${queue.capacity} instances`;
    const have = Math.max(0, queue.capacity - queue.current_load);
    gates.push({ gate: 'queue_capacity', subject: `queue ${queue.name}`, have, need: 1, detail });
  }
  return gates;
}

function keyGates(key: KeyState | null): Gate[] {
  if (!key?.parked) return [];
  const detail = `key "${key.name}" is held by ${key.held} of at most ${key.limit} tasks`;
  return [{ gate: 'concurrency_key', subject: `key ${key.name}`, have: Math.max(0, key.limit - key.held), need: 1, detail }];
}

function poolGates(pool: PoolState, amount: Amount): Gate[] {
  const subject = `pool ${pool.name}`;
  const room = free(pool);
  const gates = held('pool', pool.name, pool.status);
  if (room.cpu_milli < amount.cpu_milli) {
    const [have, need] = [room.cpu_milli / 1000, amount.cpu_milli / 1000];
    gates.push({ gate: 'pool_cpu', subject, have, need, detail: `pool "${pool.name}" has ${have} cores free, ${need} are needed` });
  }
  if (room.memory_mb < amount.memory_mb) {
    const [have, need] = [room.memory_mb, amount.memory_mb];
    gates.push({ gate: 'pool_memory', subject, have, need, detail: `pool "${pool.name}" has ${have} MB free, ${need} are needed` });
  }
  return gates;
}

function workerGates(candidate: Candidate, workers: readonly WorkerState[], pool: string): Gate[] {
  const { engine, amount } = candidate;
  const subject = `pool ${pool}`;
  const need = `${amount.cpu_milli / 1000} cores, ${amount.memory_mb} MB`;
  if (workers.length === 0) return [{ gate: 'no_worker', subject, have: 0, need: engine, detail: `no live worker offers ${engine}` }];
  if (!workers.some((worker) => fits(amount, worker.total))) {
    const largest = Math.max(...workers.map((worker) => worker.total.cpu_milli)) / 1000;
    const memory = Math.max(...workers.map((worker) => worker.total.memory_mb));
    const have = `${largest} cores, ${memory} MB`;
    return [{ gate: 'no_worker', subject, have, need, detail: `no live worker is large enough: ${need} needed, at most ${have} offered` }];
  }
  if (workers.some((worker) => fits(amount, free(worker)))) return [];
  const most = Math.max(...workers.map((worker) => free(worker).cpu_milli)) / 1000;
  const detail = `no worker that offers ${engine} has ${need} free`;
  return [{ gate: 'worker_room', subject, have: `${most} cores on the freest worker`, need, detail }];
}
