/**
 * What happens when a schedule fires while tasks of its earlier fires are not final. `max`: tasks at once for `allow`, fires that wait for
 * `queue_all`.
 */
export type Overlap = { policy: 'skip' | 'queue_one' | 'queue_all' | 'cancel_running' | 'allow'; max: number };

/** How many tasks of the schedule are not final, and how many fires wait for them. */
export type Busy = { live: number; waiting: number };

export type OverlapDecision = 'run' | 'wait' | 'skip' | 'cancel';

/** Decides for one fire. Where fires wait already, a new one never overtakes them. */
export function decideOverlap({ policy, max }: Overlap, { live, waiting }: Busy): OverlapDecision {
  if (policy === 'allow') return live < max ? 'run' : 'skip';
  if (live === 0 && waiting === 0) return 'run';
  if (policy === 'cancel_running') return 'cancel';
  const places = { skip: 0, queue_one: 1, queue_all: max }[policy];
  return waiting < places ? 'wait' : 'skip';
}
