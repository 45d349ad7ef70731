import { pino } from 'pino';
import { type DetectedObject, type Frame, frameOf, type Sighting } from '../../core/detection/frame.ts';
import type { SessionRules } from '../../core/detection/session.ts';
import { DEFAULT_LIFE } from '../../core/detection/violations.ts';
import type { EngineInstance } from '../../engines/define-engine.ts';
import { DetectionWriter } from '../../engines/detection/detection-writer.ts';
import { openSession } from '../../entities/detection-session.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { contextOf, startTask } from './factories.ts';

export const RULES: SessionRules = { ...DEFAULT_LIFE, interval: 10, min_iou: 0.3 };
export const START = Date.UTC(2026, 0, 5, 12);

export const BARE: Sighting = { type: 'no_hairnet', confidence: 0.9, severity: 'medium', zone: null };

/** Somebody without a hairnet, unless told otherwise. */
export const person = (track_id: string | null, violations: Sighting[] = [BARE]): DetectedObject => ({
  track_id,
  label: 'person',
  score: 0.8,
  box: [10, 20, 50, 100],
  violations,
});

/** A frame of a camera with 25 frames a second. */
export const frame = (number: number, objects: DetectedObject[] = [], start = START): Frame =>
  frameOf(number, start + number * 40, objects);

export const frames = (from: number, to: number, objects: DetectedObject[] = []): Frame[] =>
  Array.from({ length: to - from + 1 }, (_, i) => frame(from + i, objects));

/** A session of a camera that belongs to the user. @returns its id */
export async function makeSession(
  em: Em,
  user_id: number,
  more: { camera_id?: string; session?: string; rules?: Partial<SessionRules> } = {},
): Promise<number> {
  const sender = { user_id, sees_all: false, actor: 'user:test', request_id: null };
  const { camera_id = 'cam', session = 'one', rules } = more;
  return (await openSession(em, sender, { camera_id, session, task_id: null, rules: { ...RULES, ...rules } })).id;
}

export const makeWriter = (fork: () => Em, max_weight = 64 * 1024 * 1024): DetectionWriter =>
  new DetectionWriter({ fork, max_weight, logger: pino({ level: 'silent' }) });

/** A claimed instance of a task of the user `ada`, as an engine is told of it. */
export async function runningInstance(em: Em): Promise<Pick<EngineInstance, 'runid' | 'task_id' | 'user_id' | 'execution'>> {
  const [user] = await query<{ id: number; username: string }>(em, `select id::int4 as id, username from users where username = 'ada'`);
  await query(em, `update users set role = 'admin' where username = 'ada'`);
  const { runid, task_id } = await startTask(contextOf(em, { id: user?.id ?? 0, username: 'ada', role: 'admin', rights: [] }));
  return { runid, task_id, user_id: user?.id ?? 0, execution: 1 };
}
