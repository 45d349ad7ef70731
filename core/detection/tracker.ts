import { pairBoxes } from './box.ts';
import type { Box, DetectedObject } from './frame.ts';

/** Somebody without a track id, recognised by where the last box was. `ordinal`: how many frames of the session had come by then. */
export type Subject = { id: string; label: string; box: Box; ordinal: number; last_ms: number };

export type TrackerState = { next: number; subjects: Subject[] };

/** An object with an identity within its session. */
export type KnownObject = Omit<DetectedObject, 'track_id'> & { track_id: string };

/** What ids that were given here begin with; detectors may not use it. */
export const GIVEN = '~';
/** Persons that were counted but not located share this identity. */
export const COUNTED = '~counted';

const MOST_SUBJECTS = 1_000;

export type TrackerRules = { min_iou: number; gap_ms: number; keep_frames: number };
export type Moment = { ordinal: number; timestamp: number };

/**
 * Gives each object of a frame an identity: its track id where the detector follows it, else that of the most similar box that was seen before, else a new one.
 * @param holds identities with an open violation: they are remembered for the whole gap, others only for a few frames
 */
export function identify(
  objects: readonly DetectedObject[],
  state: TrackerState,
  at: Moment & { rules: TrackerRules; holds: ReadonlySet<string> },
): { objects: KnownObject[]; state: TrackerState } {
  const remembered = state.subjects.filter((subject) => isRemembered(subject, at));
  const nameless = objects.flatMap((object, index) => (object.track_id === null && object.box ? [{ index, object, box: object.box }] : []));
  const ids = new Map<number, string>();
  const moved = new Map<string, Subject>();
  for (const label of new Set(nameless.map(({ object }) => object.label))) {
    const theirs = nameless.filter(({ object }) => object.label === label);
    const known = remembered.filter((subject) => subject.label === label);
    const pairs = pairBoxes(
      theirs.map(({ box }) => box),
      known.map(({ box }) => box),
      at.rules.min_iou,
    );
    for (const { left, right } of pairs) ids.set(theirs[left]?.index ?? -1, known[right]?.id ?? '');
  }
  let next = state.next;
  for (const { index, object, box } of nameless) {
    const id = ids.get(index) ?? `${GIVEN}${++next}`;
    ids.set(index, id);
    moved.set(id, { id, label: object.label, box, ordinal: at.ordinal, last_ms: at.timestamp });
  }
  const subjects = [...remembered.filter(({ id }) => !moved.has(id)), ...moved.values()].slice(-MOST_SUBJECTS);
  return {
    objects: objects.map((object, index) => ({ ...object, track_id: object.track_id ?? ids.get(index) ?? COUNTED })),
    state: { next, subjects },
  };
}

function isRemembered({ id, ordinal, last_ms }: Subject, at: Moment & { rules: TrackerRules; holds: ReadonlySet<string> }): boolean {
  if (at.timestamp - last_ms > at.rules.gap_ms) return false;
  return at.holds.has(id) || at.ordinal - ordinal <= at.rules.keep_frames;
}
