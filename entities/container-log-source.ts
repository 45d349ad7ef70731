import { defineEntity, p } from '@mikro-orm/core';
import type { OpenEntry } from '../core/logs/segmenter.ts';
import { times } from './columns.ts';

/** How far a source was read: number of the last line, the carrier's stamp as text, and what tells the line from others of the same stamp. */
export type ReadPosition = { line: number; stamp: string | null; mark: string | null; repeats: number };

const ContainerLogSourceSchema = defineEntity({
  name: 'ContainerLogSource',
  tableName: 'container_log_source',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    container_id: p.text(),
    container_name: p.text(),
    docker_id: p.text().nullable(),
    kind: p.enum(['container', 'instance', 'text', 'batch'] as const),
    identity: p.text(),
    runid: p.uuid().nullable(),
    status: p.enum(['reading', 'ended', 'failed'] as const).default('reading'),
    error: p.text().nullable(),
    requested_by: p.text(),
    user_id: p.bigint('number').nullable(),
    lines: p.bigint('number').default(0),
    segments: p.bigint('number').default(0),
    position: p.json<ReadPosition>().nullable(),
    pending: p.json<OpenEntry[]>().defaultRaw(`'[]'::jsonb`),
    first_seen: p.datetime(3).defaultRaw('now()'),
    ended_at: p.datetime(3).nullable(),
    ...times,
  },
  uniques: [{ name: 'container_log_source_key', properties: ['container_id', 'identity'] }],
  indexes: [
    { name: 'idx_container_log_source_reading', properties: ['status', 'docker_id'] },
    { name: 'idx_container_log_source_created', properties: ['created_at'] },
    {
      name: 'idx_container_log_source_runid',
      expression: 'create index idx_container_log_source_runid on container_log_source (runid) where runid is not null',
    },
  ],
});

/**
 * One output that was or is being read into segments: a container's log, an instance's, a posted text. `identity` tells sources of a container
 * apart and is the same when the same is read again, so nothing is stored twice: `container`, `instance/<runid>`, `sha256/<of the text>`, `batch/<month>`.
 * `first_seen` files lines whose carrier gives no time. `pending`: entries that may still grow, kept so that another process goes on where this one stopped.
 */
export class ContainerLogSource extends ContainerLogSourceSchema.class {}
ContainerLogSourceSchema.setClass(ContainerLogSource);
