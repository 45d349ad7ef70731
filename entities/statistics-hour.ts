import { defineEntity, p } from '@mikro-orm/core';
import { Camera } from './camera.ts';
import { times } from './columns.ts';

const StatisticsHourSchema = defineEntity({
  name: 'StatisticsHour',
  tableName: 'statistics_hourly',
  properties: {
    camera: () => p.manyToOne(Camera).fieldName('camera_id').primary().ref(),
    hour_start: p.datetime(3).primary(),
    total_frames: p.integer().default(0),
    person_frames: p.integer().default(0),
    persons_max: p.integer().default(0),
    violating_person_frames: p.integer().default(0),
    hairnet_violations: p.integer().default(0),
    violations_opened: p.integer().default(0),
    distinct_tracks: p.integer().default(0),
    compliance: p.double().nullable(),
    dirty: p.boolean().default(false),
    ...times,
  },
  indexes: [
    { name: 'idx_statistics_hourly_hour', properties: ['hour_start', 'camera'] },
    {
      name: 'idx_statistics_hourly_dirty',
      expression: 'create index idx_statistics_hourly_dirty on statistics_hourly (camera_id, hour_start) where dirty',
    },
  ],
});

/**
 * A camera's hour, from `hour_start` (UTC) to the next, computed from its minutes. `dirty`: frames came since it was computed. `compliance`: share of
 * person-frames without a violation, null where nobody was seen.
 */
export class StatisticsHour extends StatisticsHourSchema.class {}
StatisticsHourSchema.setClass(StatisticsHour);
