import { decide } from './admission.ts';
import type { Candidate, Gate, GateName, Running, Snapshot } from './admission-state.ts';
import { afterStarts, type Known } from './after-starts.ts';
import { ownGates, roomGates } from './gates.ts';
import { giveBack, listsOf, roomOf } from './room.ts';
import { microseconds, readyAt, tokensAt } from './token-bucket.ts';

const MOST_STEPS = 300;

/**
 * When a waiting task is expected to start, in milliseconds: plays the admission forward over the expected ends of what runs and of what starts
 * before it, and over the tokens that come, with the same function that admits. Others may still come and precede it.
 * @returns null when no end leads to its start, or only after very many others
 */
export function estimateStart(uuid: string, snapshot: Snapshot): number | null {
  let state: Known = { ...snapshot, running: snapshot.running ?? [] };
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const { admissions } = decide(state, Number.POSITIVE_INFINITY);
    if (admissions.some((admission) => admission.uuid === uuid)) return state.now;
    const next = afterNextEvent(afterStarts(state, admissions));
    if (!next) return null;
    state = next;
  }
  return null;
}

/** The next moment at which something ends or a token comes that a task waits for. */
function afterNextEvent(state: Known): Known | null {
  const now = Math.min(...state.running.map((running) => running.expected_end), ...tokenTimes(state));
  if (now === Infinity) return null;
  const room = roomOf(state);
  const ended = state.running.filter((running) => running.expected_end <= now);
  for (const running of ended) giveBack(room, running);
  const candidates = state.candidates.map((candidate) => withKey(candidate, ended));
  return { ...state, ...listsOf(room), now, candidates, running: state.running.filter((running) => running.expected_end > now) };
}

/** When the next token comes of each empty bucket from which a waiting task's start is taken, in milliseconds. */
function tokenTimes({ candidates, queues, buckets, now }: Known): number[] {
  const waiting = new Set(candidates.map(({ queue }) => queue));
  const wanted = new Set<string | null>(candidates.map(({ bucket }) => bucket));
  for (const { name, bucket } of queues) if (waiting.has(name)) wanted.add(bucket);
  return buckets
    .filter((bucket) => wanted.has(bucket.name) && tokensAt(bucket, microseconds(now)) < 1)
    .map((bucket) => Math.ceil(readyAt(bucket)) / 1000);
}

/** A place of a key that becomes free goes to whoever waits for it; who that is does not matter for an estimate. */
function withKey(candidate: Candidate, ended: readonly Running[]): Candidate {
  const { key } = candidate;
  if (!key?.parked || !ended.some((running) => running.key === key.name)) return candidate;
  return { ...candidate, key: { ...key, parked: false } };
}

/** What runs and keeps a gate of this task closed; none for gates that no end opens. */
export function holdersOf(gate: Gate, candidate: Candidate, snapshot: Snapshot): Running[] {
  const running = snapshot.running ?? [];
  const queue = snapshot.queues.find(({ name }) => name === candidate.queue);
  if (gate.gate === 'queue_capacity') return running.filter((r) => r.queue === candidate.queue);
  if (gate.gate === 'concurrency_key') return running.filter((r) => r.key !== null && r.key === candidate.key?.name);
  return ['pool_cpu', 'pool_memory', 'worker_room'].includes(gate.gate) ? running.filter((r) => r.pool === queue?.pool) : [];
}

/** When each closed gate is expected to open, in milliseconds, if nothing else started; null: neither an end of running work nor a token opens it. */
export function clearingTimes(candidate: Candidate, gates: readonly Gate[], snapshot: Snapshot): Map<GateName, number | null> {
  const times = new Map<GateName, number | null>(gates.map(({ gate }) => [gate, null]));
  if (times.has('rate_limit')) times.set('rate_limit', nextToken(candidate, snapshot));
  const room = roomOf(snapshot);
  for (const running of [...(snapshot.running ?? [])].sort((a, b) => a.expected_end - b.expected_end)) {
    giveBack(room, running);
    const left = withKey(candidate, [running]);
    const closed = new Set([...ownGates(left, room, snapshot.now), ...roomGates(left, room, snapshot.now)].map(({ gate }) => gate));
    const opened = gates.filter(({ gate }) => OPENED_BY_ENDS.has(gate) && !closed.has(gate));
    for (const { gate } of opened) times.set(gate, times.get(gate) ?? running.expected_end);
  }
  return times;
}

/** When the task's bucket and that of its queue both have a token. */
function nextToken(candidate: Candidate, snapshot: Snapshot): number | null {
  const names = [candidate.bucket, snapshot.queues.find(({ name }) => name === candidate.queue)?.bucket];
  const times = snapshot.buckets.filter(({ name }) => names.includes(name)).map((bucket) => Math.ceil(readyAt(bucket) / 1000));
  return times.length === 0 ? null : Math.max(snapshot.now, ...times);
}

const OPENED_BY_ENDS: ReadonlySet<GateName> = new Set(['pool_cpu', 'pool_memory', 'worker_room', 'queue_capacity', 'concurrency_key']);
