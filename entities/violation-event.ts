import { defineEntity, p } from '@mikro-orm/core';
import { type Box, SEVERITIES } from '../core/detection/frame.ts';
import { VIOLATION_STATUSES } from '../schemas/violation.ts';
import { Camera } from './camera.ts';
import { times } from './columns.ts';
import { DetectionSession } from './detection-session.ts';

const ViolationEventSchema = defineEntity({
  name: 'ViolationEvent',
  tableName: 'violation_events',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    camera: () => p.manyToOne(Camera).fieldName('camera_id').ref(),
    session: () => p.manyToOne(DetectionSession).fieldName('session_id').ref(),
    track_id: p.text(),
    violation_type: p.text(),
    segment_no: p.integer(),
    timestamp: p.datetime(3),
    last_seen: p.datetime(3),
    ended_at: p.datetime(3).nullable(),
    opened_frame: p.bigint('number'),
    frames: p.integer(),
    confidence: p.double(),
    severity: p.enum(SEVERITIES),
    zones: p.array<string>().default([]),
    box: p.json<Box>().nullable(),
    snapshot_key: p.text().nullable(),
    status: p.enum(VIOLATION_STATUSES).default('pending'),
    handled_by: p.text().nullable(),
    handled_at: p.datetime(3).nullable(),
    notes: p.text().nullable(),
    ...times,
  },
  uniques: [{ name: 'violation_events_segment_key', properties: ['session', 'track_id', 'violation_type', 'segment_no'] }],
  indexes: [
    { name: 'idx_violation_events_camera_time', properties: ['camera', 'timestamp', 'id'] },
    { name: 'idx_violation_events_time', properties: ['timestamp', 'id'] },
    { name: 'idx_violation_events_status', properties: ['status', 'timestamp', 'id'] },
    { name: 'idx_violation_events_type', properties: ['violation_type', 'timestamp', 'id'] },
    {
      name: 'idx_violation_events_open',
      expression: 'create index idx_violation_events_open on violation_events (session_id) where ended_at is null',
    },
  ],
  checks: [
    { name: 'violation_events_range_check', expression: 'last_seen >= timestamp and frames >= 1 and segment_no >= 1' },
    { name: 'violation_events_handled_check', expression: `(status = 'pending') = (handled_by is null)` },
  ],
});

/**
 * One person doing one thing, however many frames show it. `timestamp`: when it was first seen; `ended_at`: null while it goes on. `segment_no`: the how-manieth
 * time in its session. `confidence` and `severity`: the greatest; `box`: the last. `snapshot_key`: artifact with the picture at its opening, null without one.
 */
export class ViolationEvent extends ViolationEventSchema.class {}
ViolationEventSchema.setClass(ViolationEvent);
