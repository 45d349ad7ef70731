import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const IMAGE_OPERATIONS = ['pull', 'push', 'tag', 'untag', 'remove', 'import', 'build', 'prune'] as const;

const DockerImageLogSchema = defineEntity({
  name: 'DockerImageLog',
  tableName: 'docker_image_log',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    docker_id: p.text().nullable(),
    worker: p.text().nullable(),
    image_id: p.text().nullable().index('idx_docker_image_log_image'),
    image_name: p.text(),
    operation: p.enum(IMAGE_OPERATIONS),
    status: p.enum(['started', 'succeeded', 'failed'] as const).index('idx_docker_image_log_status'),
    message: p.text().default(''),
    error_code: p.text().nullable(),
    actor: p.text(),
    task_id: p.uuid(),
    runid: p.uuid(),
    bytes: p.bigint('number').nullable(),
    layers: p.integer().nullable(),
    duration_ms: p.bigint('number').nullable(),
    progress: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    ended_at: p.datetime(3).nullable(),
    ...times,
  },
  uniques: [{ name: 'docker_image_log_task_key', properties: ['task_id'] }],
  indexes: [
    { name: 'idx_docker_image_log_created', properties: ['created_at', 'id'] },
    { name: 'idx_docker_image_log_name', properties: ['image_name'] },
  ],
  checks: [{ name: 'docker_image_log_end_check', expression: `(status = 'started') = (ended_at is null)` }],
});

/**
 * One operation on images, from `started` to its true end. It refers to its task and instance by id only, as it outlives them. `image_id` null: not known before it
 * ended. A task has one row: an instance that goes on, or a later one, carries on with it. `progress`: layers and bytes so far.
 */
export class DockerImageLog extends DockerImageLogSchema.class {}
DockerImageLogSchema.setClass(DockerImageLog);
