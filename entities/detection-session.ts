import { defineEntity, p } from '@mikro-orm/core';
import type { SessionRules, SessionState } from '../core/detection/session.ts';
import { Camera } from './camera.ts';
import { times } from './columns.ts';
import { Task } from './task.ts';

const DetectionSessionSchema = defineEntity({
  name: 'DetectionSession',
  tableName: 'detection_sessions',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    camera: () => p.manyToOne(Camera).fieldName('camera_id').ref(),
    name: p.text(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().nullable().deleteRule('set null').index('idx_detection_sessions_task'),
    rules: p.json<SessionRules>(),
    state: p.json<SessionState>(),
    frames: p.bigint('number').default(0),
    records: p.bigint('number').default(0),
    person_frames: p.bigint('number').default(0),
    violating_person_frames: p.bigint('number').default(0),
    violations: p.integer().default(0),
    first_at: p.datetime(3).nullable(),
    last_at: p.datetime(3).nullable(),
    ended_at: p.datetime(3).nullable(),
    ...times,
  },
  uniques: [{ name: 'detection_sessions_camera_name_key', properties: ['camera', 'name'] }],
  indexes: [{ name: 'idx_detection_sessions_created', properties: ['created_at'] }],
});

/**
 * One run of a camera's detector; frames are counted once within it. `name`: the `session_id` of its sender. `rules`: how its frames are judged, fixed when it is
 * made; `state`: what judging the next ones takes. `first_at`, `last_at`: least and greatest time of its frames. Its lock orders all who write for it.
 */
export class DetectionSession extends DetectionSessionSchema.class {}
DetectionSessionSchema.setClass(DetectionSession);
