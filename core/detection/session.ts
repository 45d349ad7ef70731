import { type Frame, NO_HAIRNET, PERSON, type Sighting } from './frame.ts';
import { isSampled, type SavedFor } from './sampling.ts';
import { COUNTED, identify, type KnownObject, type TrackerState } from './tracker.ts';
import { type Change, follow, type LifeRules, type LifeState } from './violations.ts';

/** How the frames of one session are judged. `interval`: each so many frames become a record; `min_iou`: boxes at least so similar are the same somebody. */
export type SessionRules = LifeRules & { interval: number; min_iou: number };

/**
 * What must be remembered between two batches of a session; plain data, bounded by what was in the picture during the gap. `seen`: frames so far.
 * `first_frame` null: none has come yet.
 */
export type SessionState = { first_frame: number | null; seen: number; last_ms: number; tracker: TrackerState; life: LifeState };

export const NEW_SESSION: SessionState = {
  first_frame: null,
  seen: 0,
  last_ms: 0,
  tracker: { next: 0, subjects: [] },
  life: { candidates: [], open: [] },
};

/** A frame with identities, whether it becomes a record, and what it changed. */
export type JudgedFrame = { frame: Frame; objects: KnownObject[]; saved_for: SavedFor | null; changes: Change[] };

/** Persons that were counted without a hairnet, but not located, are one unlocated somebody. */
function withCounted(frame: Frame): Frame['objects'] {
  if (frame.objects.length > 0 || frame.hairnet_violations === 0) return frame.objects;
  const sighting: Sighting = { type: NO_HAIRNET, confidence: 1, severity: 'medium', zone: null };
  return [{ track_id: COUNTED, label: PERSON, score: null, box: null, violations: [sighting] }];
}

function judge(state: SessionState, frame: Frame, rules: SessionRules & { newId(): string }): { state: SessionState; judged: JudgedFrame } {
  const { frame_number, timestamp } = frame;
  const ordinal = state.seen + 1;
  const first_frame = state.first_frame ?? frame_number;
  const holds = new Set(state.life.open.map(({ track_id }) => track_id));
  const tracker = { min_iou: rules.min_iou, gap_ms: rules.gap_ms, keep_frames: rules.n };
  const known = identify(withCounted(frame), state.tracker, { ordinal, timestamp, rules: tracker, holds });
  const life = follow(state.life, known.objects, { frame_number, ordinal, timestamp, rules, newId: rules.newId });
  const changed = life.changes.some(({ cause }) => cause === 'opened' || cause === 'ended');
  const saved_for = isSampled(frame_number, first_frame, rules.interval) ? 'sample' : changed ? 'change' : null;
  return {
    state: { first_frame, seen: ordinal, last_ms: Math.max(state.last_ms, timestamp), tracker: known.state, life: life.state },
    judged: { frame, objects: frame.objects.length === 0 ? [] : known.objects, saved_for, changes: life.changes },
  };
}

/**
 * Takes new frames of a session into account, in the order of their numbers. Pure: equal state and frames give an equal answer.
 * @param frames none of which was taken into account before
 */
export function judgeFrames(
  state: SessionState,
  frames: readonly Frame[],
  rules: SessionRules & { newId(): string },
): { state: SessionState; judged: JudgedFrame[] } {
  const judged: JudgedFrame[] = [];
  let now = state;
  for (const frame of frames.toSorted((a, b) => a.frame_number - b.frame_number)) {
    const step = judge(now, frame, rules);
    now = step.state;
    judged.push(step.judged);
  }
  return { state: now, judged };
}
