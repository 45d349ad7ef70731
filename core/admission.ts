import { EngineError } from './errors.ts';

/** Cores in thousandths and memory in MB: integers, so that sums are exact. */
export type Amount = { cpu_milli: number; memory_mb: number };

export type QueueState = {
  name: string;
  pool: string;
  status: string;
  capacity: number;
  current_load: number;
  priority: number;
  step_s: number;
};
export type PoolState = { name: string; status: string; total: Amount; used: Amount };
/** A worker that is alive, not draining and polling; `engines`: what it can run now. */
export type WorkerState = { id: string; pool: string; total: Amount; used: Amount; engines: readonly string[] };
/** A waiting task; `need` is equal for tasks that an admission cannot tell apart (engine and amounts). `vtime` in milliseconds. */
export type Candidate = { uuid: string; queue: string; need: string; engine: string; amount: Amount; vtime: number };

export type Snapshot = { queues: QueueState[]; pools: PoolState[]; workers: WorkerState[]; candidates: Candidate[] };

/** What stands between a task and its start: one gate with what there is and what it would take. */
export type Gate = { gate: GateName; subject: string; have: number | string; need: number | string; detail: string };
export type GateName = 'queue_status' | 'queue_capacity' | 'pool_status' | 'pool_cpu' | 'pool_memory' | 'no_worker' | 'worker_room';

export type Admission = { uuid: string; worker: string };

/** Which engine and how much of it, as one key; equal keys are equally hard to place. */
export const needKey = (engine: string, cpu: number, memory_mb: number): string => `${engine}|${cpu}|${memory_mb}`;

type Room = { queues: Map<string, QueueState>; pools: Map<string, PoolState>; workers: Map<string, WorkerState[]> };

/**
 * Chooses which waiting tasks start now and on which worker. Pure: the same snapshot gives the same answer, so the reason that is shown to a
 * user can never differ from the decision made. Order: vtime, shifted by the queue's priority as a task's own is; nothing starves, since every
 * waiting second counts for all alike. A task that does not fit dismisses all others of its queue and need at once, never those of other needs.
 * @param limit most admissions in one pass
 */
export function decideAdmissions(snapshot: Snapshot, limit: number): Admission[] {
  const room = roomOf(snapshot);
  const blocked = new Set<string>();
  const admitted: Admission[] = [];
  for (const candidate of inOrder(snapshot.candidates, room.queues)) {
    if (admitted.length >= limit) break;
    const group = `${candidate.queue}\n${candidate.need}`;
    if (blocked.has(group)) continue;
    const worker = gatesOf(candidate, room).length === 0 ? bestWorker(candidate, room) : undefined;
    if (!worker) blocked.add(group);
    else {
      admitted.push({ uuid: candidate.uuid, worker: worker.id });
      take(candidate, worker, room);
    }
  }
  return admitted;
}

/** Every gate that is closed for the task in this snapshot; empty: it could start now. The same rules as `decideAdmissions`. */
export const closedGates = (candidate: Candidate, snapshot: Snapshot): Gate[] => gatesOf(candidate, roomOf(snapshot));

function roomOf(snapshot: Snapshot): Room {
  const copy = <T extends { used: Amount }>(thing: T): T => ({ ...thing, used: { ...thing.used } });
  const workers = new Map<string, WorkerState[]>();
  for (const worker of snapshot.workers) workers.set(worker.pool, [...(workers.get(worker.pool) ?? []), copy(worker)]);
  return {
    queues: new Map(snapshot.queues.map((queue) => [queue.name, { ...queue }])),
    pools: new Map(snapshot.pools.map((pool) => [pool.name, copy(pool)])),
    workers,
  };
}

function inOrder(candidates: readonly Candidate[], queues: Map<string, QueueState>): Candidate[] {
  const rank = (c: Candidate) => {
    const queue = queues.get(c.queue);
    return c.vtime - ((queue?.priority ?? 50) - 50) * (queue?.step_s ?? 60) * 1000;
  };
  return [...candidates].sort((a, b) => rank(a) - rank(b) || (a.uuid < b.uuid ? -1 : 1));
}

const free = (thing: { total: Amount; used: Amount }): Amount => ({
  cpu_milli: thing.total.cpu_milli - thing.used.cpu_milli,
  memory_mb: thing.total.memory_mb - thing.used.memory_mb,
});

const fits = (amount: Amount, room: Amount): boolean => amount.cpu_milli <= room.cpu_milli && amount.memory_mb <= room.memory_mb;

function gatesOf(candidate: Candidate, room: Room): Gate[] {
  const queue = room.queues.get(candidate.queue);
  const pool = queue && room.pools.get(queue.pool);
  if (!queue || !pool) throw new EngineError('internal', `snapshot: it lacks the queue "${candidate.queue}" or its pool`);
  return [
    ...queueGates(queue),
    ...poolGates(pool, candidate.amount),
    ...workerGates(candidate, room.workers.get(pool.name) ?? [], pool.name),
  ];
}

function queueGates(queue: QueueState): Gate[] {
  const subject = `queue ${queue.name}`;
  const gates: Gate[] = [];
  if (queue.status === 'hold') {
    gates.push({
      gate: 'queue_status',
      subject,
      have: queue.status,
      need: 'active',
      detail: `queue "${queue.name}" is on hold: it starts nothing`,
    });
  }
  if (queue.current_load >= queue.capacity) {
    const detail = `queue "${queue.name}" runs ${queue.current_load} of at most ${queue.capacity} instances`;
    gates.push({ gate: 'queue_capacity', subject, have: Math.max(0, queue.capacity - queue.current_load), need: 1, detail });
  }
  return gates;
}

function poolGates(pool: PoolState, amount: Amount): Gate[] {
  const subject = `pool ${pool.name}`;
  const room = free(pool);
  const gates: Gate[] = [];
  if (pool.status === 'hold') {
    gates.push({
      gate: 'pool_status',
      subject,
      have: pool.status,
      need: 'active',
      detail: `pool "${pool.name}" is on hold: it starts nothing`,
    });
  }
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
  const offering = workers.filter((worker) => worker.engines.includes(engine));
  if (offering.length === 0) return [{ gate: 'no_worker', subject, have: 0, need: engine, detail: `no live worker offers ${engine}` }];
  if (!offering.some((worker) => fits(amount, worker.total))) {
    const largest = Math.max(...offering.map((worker) => worker.total.cpu_milli)) / 1000;
    const memory = Math.max(...offering.map((worker) => worker.total.memory_mb));
    const have = `${largest} cores, ${memory} MB`;
    return [{ gate: 'no_worker', subject, have, need, detail: `no live worker is large enough: ${need} needed, at most ${have} offered` }];
  }
  if (offering.some((worker) => fits(amount, free(worker)))) return [];
  const most = Math.max(...offering.map((worker) => free(worker).cpu_milli)) / 1000;
  return [
    {
      gate: 'worker_room',
      subject,
      have: `${most} cores on the freest worker`,
      need,
      detail: `no worker that offers ${engine} has ${need} free`,
    },
  ];
}

/** Best fit: the worker that is left with the least room, so that large tasks keep finding large gaps; ties by id. */
function bestWorker(candidate: Candidate, room: Room): WorkerState | undefined {
  const pool = room.queues.get(candidate.queue)?.pool ?? '';
  const able = (room.workers.get(pool) ?? []).filter((w) => w.engines.includes(candidate.engine) && fits(candidate.amount, free(w)));
  const left = (w: WorkerState) => (free(w).cpu_milli - candidate.amount.cpu_milli) / Math.max(1, w.total.cpu_milli);
  return able.sort((a, b) => left(a) - left(b) || (a.id < b.id ? -1 : 1))[0];
}

function take(candidate: Candidate, worker: WorkerState, room: Room): void {
  const queue = room.queues.get(candidate.queue);
  const pool = queue && room.pools.get(queue.pool);
  if (queue) queue.current_load += 1;
  for (const holder of [pool, worker]) {
    if (!holder) continue;
    holder.used.cpu_milli += candidate.amount.cpu_milli;
    holder.used.memory_mb += candidate.amount.memory_mb;
  }
}
