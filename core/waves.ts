import { type Admission, type Decisions, groupKey } from './admission.ts';
import type { Candidate, Snapshot } from './admission-state.ts';

/** The most that an admission pass can start together. */
export const WAVE_MOST = 200;
/** The task uuids of so many fit one search attribute of a Temporal whose limits nobody has changed. */
export const WAVE_USUAL = 50;
/** Fewer are cheap enough by themselves, and easier to see. */
export const WAVE_LEAST = 4;
/** Size as long as nobody knows how long such tasks take. */
const WAVE_UNKNOWN = 10;
/** Seconds: up to the first, waves are as large as may be; from the second on, there are none, for what a workflow costs is little beside such work. */
const FULL_S = 1;
const LONGEST_S = 2;
/** How long freed places are gathered at most before they are given out again. */
const GATHER_MS = 100;

/**
 * How many tasks like this one may share a workflow at most; less than `WAVE_LEAST`: none. The longer nine of ten of them took at most, the fewer, so that a wave is over
 * within a second or two.
 * @param most size of the largest wave
 */
export function waveSize({ batchable, p90_s }: Pick<Candidate, 'batchable' | 'p90_s'>, most: number): number {
  if (!batchable) return 1;
  if (p90_s === null) return Math.min(WAVE_UNKNOWN, most);
  const share = (LONGEST_S - p90_s) / (LONGEST_S - FULL_S);
  return Math.max(1, Math.floor(most * Math.min(1, share)));
}

/** A start, and how many others of its kind it may share a workflow with, itself included. */
export type Start = Admission & { wave_size: number };

/** Since when starts of each group are held back (milliseconds), by queue and need. */
export type HeldBack = ReadonlyMap<string, number>;

/** A decision; `more`: groups of which more may wait than was read; `held`: what an earlier one held back; `most`: size of the largest wave. */
type Choices = { snapshot: Snapshot; decisions: Decisions; more: ReadonlySet<string>; held: HeldBack; most: number };

/** What starts now, what is held back and since when, and in how many milliseconds to look again; null: nothing is held back. */
export type Plan = { starts: Start[]; held: HeldBack; wait_ms: number | null };

/**
 * Gives each start the size of its wave and holds back, for a tenth of a second at most, those of short work for which places become free one by one: under a
 * backlog they would otherwise start one by one too, each as dear as a wave. Nothing is held back while all that waits can start, while nothing of the queue runs
 * whose end could make more room, or once there are enough.
 */
export function planStarts({ snapshot, decisions, more, held, most }: Choices): Plan {
  const candidates = new Map(snapshot.candidates.map((candidate) => [candidate.uuid, candidate]));
  const blocked = new Set([...decisions.refusals.map(groupKey), ...more]);
  const plan = { starts: [] as Start[], held: new Map<string, number>(), wait_ms: null as number | null };
  for (const [key, admissions] of Map.groupBy(decisions.admissions, groupKey)) {
    const sizes = admissions.map(({ uuid }) => waveSize(candidates.get(uuid) ?? { p90_s: null }, most));
    const waits = blocked.has(key) && waitsForMore(snapshot, { admissions, size: Math.max(...sizes) });
    const since = held.get(key) ?? snapshot.now;
    const left_ms = waits ? since + GATHER_MS - snapshot.now : 0;
    if (left_ms > 0) {
      plan.held.set(key, since);
      plan.wait_ms = Math.min(plan.wait_ms ?? left_ms, left_ms);
    } else plan.starts.push(...admissions.map((admission, n) => ({ ...admission, wave_size: sizes[n] as number })));
  }
  return plan;
}

/** Whether the ends of what runs will soon make so much more room that waiting for it pays. */
function waitsForMore({ queues }: Snapshot, { admissions, size }: { admissions: readonly Admission[]; size: number }): boolean {
  const load = queues.find(({ name }) => name === admissions[0]?.queue)?.current_load ?? 0;
  const enough = Math.min(size, Math.ceil((load + admissions.length) / 2));
  return size >= WAVE_LEAST && load > 0 && admissions.length < enough;
}
