import { decide } from './admission.ts';
import type { Candidate, Gate, GateName, Running, Snapshot } from './admission-state.ts';
import { roomGates } from './gates.ts';
import { endsIf } from './reservation.ts';
import { giveBack, roomOf, take } from './room.ts';

const MOST_STEPS = 300;

/**
 * When a waiting task is expected to start, in milliseconds: plays the admission forward over the expected ends of what runs and of what starts
 * before it, with the same function that admits. Others may still come and precede it.
 * @returns null when no end leads to its start, or only after very many others
 */
export function estimateStart(uuid: string, snapshot: Snapshot): number | null {
  let state = { ...snapshot, running: snapshot.running ?? [] };
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const { admissions } = decide(state, Number.POSITIVE_INFINITY);
    if (admissions.some((admission) => admission.uuid === uuid)) return state.now;
    const next = afterNextEnd(afterStarts(state, admissions));
    if (!next) return null;
    state = next;
  }
  return null;
}

type Known = Snapshot & { running: Running[] };

function afterStarts(state: Known, admissions: { uuid: string; worker: string }[]): Known {
  const room = roomOf(state);
  const workers = new Map(admissions.map(({ uuid, worker }) => [uuid, worker]));
  const started = state.candidates.flatMap((candidate): Running[] => {
    const worker = workers.get(candidate.uuid);
    if (worker === undefined) return [];
    const pool = room.queues.get(candidate.queue)?.pool ?? '';
    return [{ ...candidate, pool, worker, runid: candidate.uuid, key: candidate.key?.name ?? null, ...endsIf(candidate, state.now) }];
  });
  for (const holding of started) take(room, holding);
  const candidates = state.candidates.filter((candidate) => !workers.has(candidate.uuid));
  return { ...state, ...lists(room), candidates, running: [...state.running, ...started] };
}

function afterNextEnd(state: Known): Known | null {
  if (state.running.length === 0) return null;
  const now = Math.min(...state.running.map((running) => running.expected_end));
  const room = roomOf(state);
  const ended = state.running.filter((running) => running.expected_end <= now);
  for (const running of ended) giveBack(room, running);
  const candidates = state.candidates.map((candidate) => withKey(candidate, ended));
  return { ...state, ...lists(room), now, candidates, running: state.running.filter((running) => running.expected_end > now) };
}

/** A place of a key that becomes free goes to whoever waits for it; who that is does not matter for an estimate. */
function withKey(candidate: Candidate, ended: readonly Running[]): Candidate {
  const { key } = candidate;
  if (!key?.parked || !ended.some((running) => running.key === key.name)) return candidate;
  return { ...candidate, key: { ...key, parked: false } };
}

const lists = (room: ReturnType<typeof roomOf>) => ({
  queues: [...room.queues.values()],
  pools: [...room.pools.values()],
  workers: [...room.workers.values()],
});

/** What runs and keeps a gate of this task closed; none for gates that no end opens. */
export function holdersOf(gate: Gate, candidate: Candidate, snapshot: Snapshot): Running[] {
  const running = snapshot.running ?? [];
  const queue = snapshot.queues.find(({ name }) => name === candidate.queue);
  if (gate.gate === 'queue_capacity') return running.filter((r) => r.queue === candidate.queue);
  if (gate.gate === 'concurrency_key') return running.filter((r) => r.key !== null && r.key === candidate.key?.name);
  return ['pool_cpu', 'pool_memory', 'worker_room'].includes(gate.gate) ? running.filter((r) => r.pool === queue?.pool) : [];
}

/** When each closed gate is expected to open, in milliseconds, if nothing else started; null: no end of running work opens it. */
export function clearingTimes(candidate: Candidate, gates: readonly Gate[], snapshot: Snapshot): Map<GateName, number | null> {
  const times = new Map<GateName, number | null>(gates.map(({ gate }) => [gate, null]));
  const room = roomOf(snapshot);
  for (const running of [...(snapshot.running ?? [])].sort((a, b) => a.expected_end - b.expected_end)) {
    giveBack(room, running);
    const closed = new Set(roomGates(withKey(candidate, [running]), room).map(({ gate }) => gate));
    const opened = gates.filter(({ gate }) => OPENED_BY_ENDS.has(gate) && !closed.has(gate));
    for (const { gate } of opened) times.set(gate, times.get(gate) ?? running.expected_end);
  }
  return times;
}

const OPENED_BY_ENDS: ReadonlySet<GateName> = new Set(['pool_cpu', 'pool_memory', 'worker_room', 'queue_capacity', 'concurrency_key']);
