import { defineEntity, p } from '@mikro-orm/core';
import { SAVED_FOR } from '../core/detection/sampling.ts';
import type { KnownObject } from '../core/detection/tracker.ts';
import { times } from './columns.ts';

const DetectionRecordSchema = defineEntity({
  name: 'DetectionRecord',
  tableName: 'detection_records',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    timestamp: p.datetime(3).primary(),
    camera_id: p.text(),
    session_id: p.bigint('number'),
    frame_number: p.bigint('number'),
    person_count: p.integer(),
    hairnet_violations: p.integer(),
    saved_for: p.enum(SAVED_FOR),
    objects: p.json<KnownObject[]>(),
    detail: p.json<Record<string, unknown>>().nullable(),
    fps: p.double().nullable(),
    processing_ms: p.double().nullable(),
    ...times,
  },
  uniques: [{ name: 'detection_records_session_frame_key', properties: ['session_id', 'frame_number', 'timestamp'] }],
  indexes: [
    { name: 'idx_detection_records_camera_time', properties: ['camera_id', 'timestamp', 'id'] },
    { name: 'idx_detection_records_time', properties: ['timestamp', 'id'] },
    {
      name: 'idx_detection_records_violations',
      expression: `create index idx_detection_records_violations on detection_records (camera_id, timestamp, id) where hairnet_violations > 0`,
    },
  ],
  checks: [{ name: 'detection_records_range_check', expression: 'frame_number >= 0 and person_count >= 0 and hairnet_violations >= 0' }],
});

/**
 * A frame that was kept: its turn (`saved_for` sample), or one with which the violations changed. Partitioned by the UTC day of `timestamp`, in the schema
 * `partitions`; never changed afterwards, removed by dropping a day. Camera and session are referred to by id only, since a foreign key would lock both tables with
 * each partition that comes or goes; sessions are removed after their records.
 */
export class DetectionRecord extends DetectionRecordSchema.class {}
DetectionRecordSchema.setClass(DetectionRecord);
