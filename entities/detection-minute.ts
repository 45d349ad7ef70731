import { defineEntity, p } from '@mikro-orm/core';
import { Camera } from './camera.ts';
import { times } from './columns.ts';
import { DetectionSession } from './detection-session.ts';

const DetectionMinuteSchema = defineEntity({
  name: 'DetectionMinute',
  tableName: 'detection_minutes',
  properties: {
    camera: () => p.manyToOne(Camera).fieldName('camera_id').primary().ref(),
    minute: p.datetime(3).primary(),
    session: () => p.manyToOne(DetectionSession).fieldName('session_id').primary().ref().index('idx_detection_minutes_session'),
    frames: p.integer(),
    person_frames: p.integer(),
    persons_max: p.integer(),
    violating_person_frames: p.integer(),
    hairnet_violations: p.integer(),
    tracks: p.array<string>().default([]),
    ...times,
  },
  indexes: [{ name: 'idx_detection_minutes_minute', properties: ['minute'] }],
});

/**
 * What one session saw in one minute, all frames counted, saved or not. Hours and days are computed from these rows, as often as wanted.
 * `tracks`: identities that were seen, at most 2,000.
 */
export class DetectionMinute extends DetectionMinuteSchema.class {}
DetectionMinuteSchema.setClass(DetectionMinute);
