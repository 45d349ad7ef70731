import type { Frame } from '../core/detection/frame.ts';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import { weightOfAll } from '../engines/detection/frame-queue.ts';
import type { GroupResult } from '../engines/detection/judge-batch.ts';
import type { SavedGroup } from '../engines/detection/save-frames.ts';
import type { OpenedSession, Sender } from '../entities/detection-session.queries.ts';
import { within } from '../entities/within.ts';
import { type DetectionSubmission, type DetectionsAccepted, toFrame } from '../schemas/detection.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import type { DetectionIntake } from './detection-intake.ts';

/** How long an answer may wait for the database. */
const STORED_WITHIN_MS = 25_000;
const MOST_SESSIONS = 100;
const AHEAD_MS = 24 * 3_600_000;

/** What a request says for all its frames. `save_interval` null: as the session has it. */
export type DetectionDefaults = { camera_id: string | null; session_id: string | null; save_interval: number | null };

/** `place`: where the frame stands in the request, as a pointer: `/3`, `/line/4`. */
export type PlacedFrame = { place: string; frame: DetectionSubmission };

type Group = { camera_id: string; session_id: string; frames: Frame[] };

/**
 * Takes frames that somebody posts, and answers when all of them are stored for good; sending them again is harmless.
 * @throws EngineError invalid_input: no camera or session, a time in the future, too many sessions; forbidden: another user's camera; conflict: the session saves at
 * another interval; too_many: the queue is full; unavailable: not stored within 25 s
 */
export async function takeDetections(
  ctx: CommandContext,
  intake: DetectionIntake,
  { frames, defaults }: { frames: readonly PlacedFrame[]; defaults: DetectionDefaults },
): Promise<DetectionsAccepted> {
  const groups = groupFrames(frames, defaults);
  intake.refuseWhenFull(groups.reduce((sum, group) => sum + weightOfAll(group.frames), 0));
  const work = store(ctx, intake, { groups, interval: defaults.save_interval });
  const stored = await within(STORED_WITHIN_MS, 'detections', work).catch((cause: unknown) => {
    if (!(cause instanceof EngineError) || cause.code !== 'timeout') throw cause;
    throw new EngineError(
      'unavailable',
      'detections: the database is away; they are kept and will be stored, and sending them again is harmless',
      { cause },
    );
  });
  return answerOf(frames.length, stored);
}

/** Frames by session, in the order of their coming. All problems are told together. */
function groupFrames(frames: readonly PlacedFrame[], defaults: DetectionDefaults): Group[] {
  const groups = new Map<string, Group>();
  const problems: FieldProblem[] = [];
  const now = Date.now();
  for (const { place, frame } of frames) {
    const camera_id = frame.camera_id ?? defaults.camera_id;
    const session_id = frame.session_id ?? defaults.session_id;
    const timestamp = frame.timestamp === undefined ? now : Date.parse(frame.timestamp);
    problems.push(...problemsOf({ place, camera_id, session_id, timestamp }, now));
    const key = JSON.stringify([camera_id, session_id]);
    const group = groups.get(key) ?? { camera_id: camera_id ?? '', session_id: session_id ?? '', frames: [] };
    groups.set(key, group);
    group.frames.push(toFrame(frame, { frame_number: frame.frame_number, timestamp }));
  }
  if (groups.size > MOST_SESSIONS)
    problems.push({ pointer: '', detail: `expected at most ${MOST_SESSIONS} sessions in one request, got ${groups.size}` });
  refuse(problems);
  return [...groups.values()];
}

type Placed = { place: string; camera_id: string | null; session_id: string | null; timestamp: number };

function problemsOf({ place, camera_id, session_id, timestamp }: Placed, now: number): FieldProblem[] {
  const missing = (field: string, what: string) => ({
    pointer: `${place}/${field}`,
    detail: `expected ${what}, here or in the query, got nothing`,
  });
  return [
    ...(camera_id === null ? [missing('camera_id', 'the id of a camera')] : []),
    ...(session_id === null ? [missing('session_id', 'the id of this run of the detector, within which frames are told apart')] : []),
    ...(timestamp > now + AHEAD_MS
      ? [{ pointer: `${place}/timestamp`, detail: `expected a time at most a day ahead, got ${new Date(timestamp).toISOString()}` }]
      : []),
  ];
}

function refuse(problems: readonly FieldProblem[]): void {
  const [first] = problems;
  if (!first) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new EngineError('invalid_input', `${first.pointer || 'the body'}: ${first.detail}${more}`, { errors: problems.slice(0, 100) });
}

type Stored = { session: OpenedSession; group: Group; result: GroupResult };

async function store(
  ctx: CommandContext,
  intake: DetectionIntake,
  { groups, interval }: { groups: readonly Group[]; interval: number | null },
): Promise<Stored[]> {
  const sender: Sender = { user_id: ctx.actor.id, sees_all: seesAll(ctx.actor), actor: actorName(ctx.actor), request_id: ctx.request_id };
  const sessions: OpenedSession[] = [];
  for (const { camera_id, session_id } of groups) {
    const session = await intake.session(ctx.em, sender, { camera_id, session: session_id, interval });
    refuseOtherInterval(session, session_id, interval);
    sessions.push(session);
  }
  const results = await Promise.all(groups.map((group, i) => storeGroup(intake, sessions[i] as OpenedSession, group)));
  return groups.map((group, i) => ({ group, session: sessions[i] as OpenedSession, result: results[i] as GroupResult }));
}

function refuseOtherInterval({ rules }: OpenedSession, session_id: string, interval: number | null): void {
  if (interval === null || interval === rules.interval) return;
  const detail = `session "${session_id}" saves every ${rules.interval} frames, and goes on so; expected that, got ${interval}`;
  throw new EngineError('conflict', `save_interval: ${detail}`, { errors: [{ pointer: '/query/save_interval', detail }] });
}

async function storeGroup(intake: DetectionIntake, session: OpenedSession, { frames, session_id }: Group): Promise<GroupResult> {
  const saved: SavedGroup = await intake.writer.push({ session_id: session.id, frames, owner: null }, { urgent: true });
  if (saved.outcome === 'stored') return saved;
  intake.forget();
  throw new EngineError('unavailable', `session "${session_id}" has just been removed; send the frames again`);
}

const total = (stored: readonly Stored[], of: (result: GroupResult) => number): number =>
  stored.reduce((sum, { result }) => sum + of(result), 0);

function answerOf(received: number, stored: readonly Stored[]): DetectionsAccepted {
  return {
    received,
    accepted: total(stored, ({ accepted }) => accepted),
    duplicates: total(stored, ({ duplicates }) => duplicates),
    saved: total(stored, ({ saved }) => saved),
    violations_opened: total(stored, ({ opened }) => opened.length),
    sessions: stored.map(({ session, group, result }) => ({
      camera_id: group.camera_id,
      session_id: group.session_id,
      save_interval: session.rules.interval,
      accepted: result.accepted,
      duplicates: result.duplicates,
      saved: result.saved,
      violations_opened: result.opened.length,
    })),
  };
}
