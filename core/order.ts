import type { Candidate, QueueState } from './admission-state.ts';

/** A candidate with its place among all: tier first, then rank, the smaller the sooner. */
export type Ranked = { candidate: Candidate; tier: number; rank: number };

export const precedes = (a: Ranked, b: Ranked): boolean => compare(a, b) < 0;

const compare = (a: Ranked, b: Ranked): number => b.tier - a.tier || a.rank - b.rank || (a.candidate.uuid < b.candidate.uuid ? -1 : 1);

/** What a task's place in its queue follows from. Instants in milliseconds; `expected_s`: how long it is expected to run, only looked at with a deadline. */
export type Urgency = { eligible_at: number; priority: number; step_s: number; deadline: number | null; expected_s: number };

/** Seconds before the latest start that meets its deadline at which a task comes before everybody who becomes eligible then. */
export const PROMOTE_S = 120;

/**
 * The order key of a task, in milliseconds; smaller is sooner. `eligible_at − priority × step`, so that waiting counts like priority. A deadline moves it forward so
 * far that the task precedes all newcomers from `PROMOTE_S` before the last moment at which it can start and still be in time; never further than the
 * highest priority would, so that an invented or missed deadline is worth no more than that. Also in SQL: `task_vtime`, for what is stored.
 */
export function vtimeOf({ eligible_at, priority, step_s, deadline, expected_s }: Urgency): number {
  const plain = eligible_at - priority * step_s * 1000;
  if (deadline === null) return plain;
  const highest = 100 * step_s * 1000;
  return Math.max(eligible_at - highest, Math.min(plain, deadline - (expected_s + PROMOTE_S) * 1000 - highest));
}

/**
 * How many strict queues of its pool a queue reaches with its priority. Tasks of a higher tier always go first, so a queue with
 * `strict_priority` precedes every queue of a lower priority, however long that has waited.
 */
export function tierOf(queue: QueueState, queues: Iterable<QueueState>): number {
  const levels = new Set<number>();
  for (const other of queues) if (other.strict_priority && other.pool === queue.pool) levels.add(other.priority);
  return [...levels].filter((priority) => priority <= queue.priority).length;
}

/** By how much the priority of its queue moves a task forward, in milliseconds: as a task's own priority does. */
const shiftOf = (queue: QueueState): number => (queue.priority - 50) * queue.step_s * 1000;

/** The order of admission: tier, then vtime shifted by the queue's priority, then uuid. Waiting counts for all alike, so nothing starves within a tier. */
export function inOrder(candidates: readonly Candidate[], queues: ReadonlyMap<string, QueueState>): Ranked[] {
  const tiers = new Map([...queues.values()].map((queue) => [queue.name, tierOf(queue, queues.values())]));
  const place = (candidate: Candidate): Ranked => {
    const queue = queues.get(candidate.queue);
    return { candidate, tier: tiers.get(candidate.queue) ?? 0, rank: candidate.vtime - (queue ? shiftOf(queue) : 0) };
  };
  return candidates.map(place).sort(compare);
}

/**
 * The latest moment at which a task that becomes eligible may still go ahead of this one, in milliseconds: a newcomer of priority 100, in
 * whichever queue of the pool gives it the most. Null: at any time, from a strict queue above it, or because its own queue is fair, where whoever has used
 * less goes first.
 */
export function overtakenUntil(candidate: Candidate, queues: readonly QueueState[]): number | null {
  const own = queues.find((queue) => queue.name === candidate.queue);
  if (!own) return null;
  const rivals = queues.filter((queue) => queue.pool === own.pool);
  const tier = tierOf(own, rivals);
  if (own.fairness === 'user' || rivals.some((queue) => tierOf(queue, rivals) > tier)) return null;
  const rank = candidate.vtime - shiftOf(own);
  return Math.max(...rivals.filter((q) => tierOf(q, rivals) === tier).map((queue) => rank + 100 * queue.step_s * 1000 + shiftOf(queue)));
}
