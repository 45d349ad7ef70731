import { uuidv7 } from 'uuidv7';
import type { Frame } from '../../core/detection/frame.ts';
import { FrameSet } from '../../core/detection/frame-set.ts';
import { type JudgedFrame, judgeFrames, type SessionState } from '../../core/detection/session.ts';
import { tallyMinutes } from '../../core/detection/statistics.ts';
import type { Change, OpenViolation } from '../../core/detection/violations.ts';
import type { DetectionRows, RecordRow, ViolationRow } from '../../entities/detection-record.queries.ts';
import type { FrameBlock, LockedSession } from '../../entities/detection-session.queries.ts';

/** What of a group of frames was new: the others had come before. `saved`: became records. `opened`: violations that opened with one of its frames. */
export type GroupResult = { accepted: number; duplicates: number; saved: number; opened: OpenViolation[] };

/** A session's part of a batch: its frames, by the group that brought them. */
export type SessionPart = { session: LockedSession<SessionState>; blocks: readonly FrameBlock[]; groups: readonly (readonly Frame[])[] };

/** What becomes of it. `changes`: those that alerts look at. */
export type JudgedPart = { rows: DetectionRows; results: GroupResult[]; changes: Change[]; judged: JudgedFrame[] };

/** Leaves out what was dealt with before, also earlier in the same batch. Frames of a batch compare by identity, since numbers may repeat. */
function newFrames({ groups, blocks }: SessionPart): { fresh: Frame[]; seen: FrameSet; groupOf: Map<Frame, number> } {
  const seen = new FrameSet(blocks.map(({ block, bits }) => [block, bits] as const));
  const groupOf = new Map<Frame, number>();
  for (const [i, frames] of groups.entries()) for (const frame of frames) if (seen.add(frame.frame_number)) groupOf.set(frame, i);
  return { fresh: [...groupOf.keys()], seen, groupOf };
}

const recordOf = ({ session }: SessionPart, { frame, objects, saved_for }: JudgedFrame): RecordRow[] =>
  saved_for === null ? [] : [{ camera_id: session.camera_id, session_id: session.id, ...frame, objects, saved_for }];

/** Each violation that changed, once, as it stands after the batch. */
function violationsOf({ session }: SessionPart, judged: readonly JudgedFrame[]): ViolationRow[] {
  const rows = new Map<string, ViolationRow>();
  for (const { cause, violation } of judged.flatMap(({ changes }) => changes)) {
    const before = rows.get(violation.id);
    rows.set(violation.id, {
      ...violation,
      camera_id: session.camera_id,
      session_id: session.id,
      is_new: cause === 'opened' || (before?.is_new ?? false),
      ended: cause === 'ended',
    });
  }
  return [...rows.values()];
}

function resultsOf({ groups }: SessionPart, judged: readonly JudgedFrame[], groupOf: ReadonlyMap<Frame, number>): GroupResult[] {
  const results = groups.map((frames) => ({ accepted: 0, duplicates: frames.length, saved: 0, opened: [] as OpenViolation[] }));
  for (const { frame, saved_for, changes } of judged) {
    const result = results[groupOf.get(frame) ?? 0];
    if (!result) continue;
    result.accepted += 1;
    result.duplicates -= 1;
    result.saved += saved_for === null ? 0 : 1;
    result.opened.push(...changes.filter(({ cause }) => cause === 'opened').map(({ violation }) => violation));
  }
  return results;
}

/** Judges a session's part of a batch. Touches nothing; what it returns is stored as a whole or not at all. */
export function judgePart(part: SessionPart): JudgedPart {
  const { session } = part;
  const { fresh, seen, groupOf } = newFrames(part);
  const { state, judged } = judgeFrames(session.state, fresh, { ...session.rules, newId: uuidv7 });
  const owner = { camera_id: session.camera_id, session_id: session.id };
  const minutes = tallyMinutes(judged, session.rules.min_confidence);
  const sum = (of: (minute: (typeof minutes)[number]) => number) => minutes.reduce((total, minute) => total + of(minute), 0);
  const times = judged.map(({ frame }) => frame.timestamp);
  const violations = violationsOf(part, judged);
  const records = judged.flatMap((one) => recordOf(part, one));
  const added = {
    frames: judged.length,
    records: records.length,
    person_frames: sum((minute) => minute.person_frames),
    violating_person_frames: sum((minute) => minute.violating_person_frames),
    violations: violations.filter(({ is_new }) => is_new).length,
    first_ms: Math.min(...times),
    last_ms: Math.max(...times),
  };
  return {
    rows: {
      sessions: judged.length === 0 ? [] : [{ id: session.id, state, ...added }],
      blocks: seen.changed().map((block) => ({ session_id: session.id, ...block })),
      records,
      violations,
      minutes: minutes.map((minute) => ({ ...owner, ...minute })),
    },
    results: resultsOf(part, judged, groupOf),
    changes: judged.flatMap(({ changes }) => changes.filter(({ cause }) => cause !== 'seen' && cause !== 'ended')),
    judged,
  };
}
