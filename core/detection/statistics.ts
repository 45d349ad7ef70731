import { countViolating } from './frame.ts';
import type { JudgedFrame } from './session.ts';

/**
 * Counts of one camera over a stretch of time. Person-frames: each person counts once for each frame. `tracks`: different identities, those included that were
 * recognised by their boxes only.
 */
export type Tally = { frames: number; person_frames: number; persons_max: number; violating_person_frames: number };

/** What one session saw in one minute; minutes add up, so hours and days can be computed again from them at any time. */
export type MinuteTally = Tally & { minute: number; hairnet_violations: number; tracks: string[] };

const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** More identities than this are not told apart within a minute. */
const MOST_TRACKS = 2_000;

/** Start of the minute, and of the UTC hour, in ms. Both are half open: 12:00:00.000 belongs to what begins then. */
export const minuteOf = (timestamp: number): number => Math.floor(timestamp / MINUTE_MS) * MINUTE_MS;
export const hourOf = (timestamp: number): number => Math.floor(timestamp / HOUR_MS) * HOUR_MS;

function addTo(before: MinuteTally, { frame, objects }: JudgedFrame, min_confidence: number): MinuteTally {
  const tracks = new Set([...before.tracks, ...objects.map(({ track_id }) => track_id)]);
  return {
    minute: before.minute,
    frames: before.frames + 1,
    person_frames: before.person_frames + frame.person_count,
    persons_max: Math.max(before.persons_max, frame.person_count),
    violating_person_frames: before.violating_person_frames + countViolating(frame, min_confidence),
    hairnet_violations: before.hairnet_violations + frame.hairnet_violations,
    tracks: [...tracks].slice(0, MOST_TRACKS),
  };
}

const EMPTY = { frames: 0, person_frames: 0, persons_max: 0, violating_person_frames: 0, hairnet_violations: 0, tracks: [] };

/** Frames by the minute of their own time stamp, whenever they came. */
export function tallyMinutes(judged: readonly JudgedFrame[], min_confidence: number): MinuteTally[] {
  const minutes = new Map<number, MinuteTally>();
  for (const one of judged) {
    const minute = minuteOf(one.frame.timestamp);
    minutes.set(minute, addTo(minutes.get(minute) ?? { minute, ...EMPTY }, one, min_confidence));
  }
  return [...minutes.values()].sort((a, b) => a.minute - b.minute);
}

/** The share of person-frames without a violation, 0–1; null where no person was seen. */
export function complianceOf({
  person_frames,
  violating_person_frames,
}: Pick<Tally, 'person_frames' | 'violating_person_frames'>): number | null {
  return person_frames === 0 ? null : 1 - violating_person_frames / person_frames;
}
