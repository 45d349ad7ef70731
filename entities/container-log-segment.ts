import { defineEntity, p } from '@mikro-orm/core';
import { SEGMENT_TYPES, SEVERITIES } from '../core/logs/levels.ts';
import { DETECT_SOURCES } from '../core/logs/parse-line.ts';
import { times } from './columns.ts';

const ContainerLogSegmentSchema = defineEntity({
  name: 'ContainerLogSegment',
  tableName: 'container_log_segment',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    filed_at: p.datetime(3).primary(),
    source_id: p.bigint('number'),
    container_id: p.text(),
    container_name: p.text(),
    segment_type: p.enum(SEGMENT_TYPES),
    severity_level: p.enum(SEVERITIES),
    severity_number: p.smallint(),
    content: p.text(),
    component: p.text().nullable(),
    timestamp: p.datetime(3).nullable(),
    logged_at: p.datetime(3),
    line_number: p.bigint('number'),
    line_count: p.integer(),
    stream: p.enum(['stdout', 'stderr'] as const).nullable(),
    format: p.text(),
    detect_source: p.enum(DETECT_SOURCES),
    template_id: p.bigint('number').nullable(),
    attributes: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    runid: p.uuid().nullable(),
    user_id: p.bigint('number').nullable(),
    ...times,
  },
  uniques: [{ name: 'container_log_segment_line_key', properties: ['source_id', 'line_number', 'filed_at'] }],
  indexes: [
    { name: 'idx_container_log_segment_time', properties: ['logged_at', 'id'] },
    { name: 'idx_container_log_segment_container', properties: ['container_id', 'logged_at', 'id'] },
    { name: 'idx_container_log_segment_type', properties: ['segment_type', 'logged_at', 'id'] },
    {
      name: 'idx_container_log_segment_user',
      expression: 'create index idx_container_log_segment_user on container_log_segment (user_id, logged_at, id) where user_id is not null',
    },
    {
      name: 'idx_container_log_segment_text',
      expression: 'create index idx_container_log_segment_text on container_log_segment using gin (content text_search.gin_trgm_ops)',
    },
  ],
});

/**
 * One entry of a container's log. Partitioned by the month of `filed_at`: when the Engine saw its first line, or else when its source was first read, so that reading
 * again files it in the same place. `timestamp`: what the entry itself says, null when it says nothing; `logged_at`: that, or else `filed_at`. `line_number` counts from 1
 * in its source. `user_id`: whose task or text it was, null for containers of nobody in particular. It refers to its source, template and instance by id only, as it outlives them.
 */
export class ContainerLogSegment extends ContainerLogSegmentSchema.class {}
ContainerLogSegmentSchema.setClass(ContainerLogSegment);
