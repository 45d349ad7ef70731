import type { Candidate, QueueState } from './admission-state.ts';

type Ranked = { tier: number; rank: number };

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
export function inOrder(candidates: readonly Candidate[], queues: ReadonlyMap<string, QueueState>): Candidate[] {
  const tiers = new Map([...queues.values()].map((queue) => [queue.name, tierOf(queue, queues.values())]));
  const place = (candidate: Candidate): Ranked => {
    const queue = queues.get(candidate.queue);
    return { tier: tiers.get(candidate.queue) ?? 0, rank: candidate.vtime - (queue ? shiftOf(queue) : 0) };
  };
  return candidates
    .map((candidate) => ({ candidate, ...place(candidate) }))
    .sort((a, b) => b.tier - a.tier || a.rank - b.rank || (a.candidate.uuid < b.candidate.uuid ? -1 : 1))
    .map(({ candidate }) => candidate);
}

/**
 * The latest moment at which a task that becomes eligible may still go ahead of this one, in milliseconds: a newcomer of priority 100, in
 * whichever queue of the pool gives it the most. Null: a strict queue above it may overtake it at any time.
 */
export function overtakenUntil(candidate: Candidate, queues: readonly QueueState[]): number | null {
  const own = queues.find((queue) => queue.name === candidate.queue);
  if (!own) return null;
  const rivals = queues.filter((queue) => queue.pool === own.pool);
  const tier = tierOf(own, rivals);
  if (rivals.some((queue) => tierOf(queue, rivals) > tier)) return null;
  const rank = candidate.vtime - shiftOf(own);
  return Math.max(...rivals.filter((q) => tierOf(q, rivals) === tier).map((queue) => rank + 100 * queue.step_s * 1000 + shiftOf(queue)));
}
