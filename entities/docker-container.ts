import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

/** Docker's states, podman's mapped to them, and `removed` for what is gone. */
export const CONTAINER_STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead', 'removed'] as const;
export type ContainerState = (typeof CONTAINER_STATES)[number];

const DockerContainerSchema = defineEntity({
  name: 'DockerContainer',
  tableName: 'docker_container',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    docker_id: p.text(),
    container_id: p.text().index('idx_docker_container_container'),
    container_name: p.text(),
    image_id: p.text().index('idx_docker_container_image'),
    image_name: p.text(),
    status: p.enum(CONTAINER_STATES).index('idx_docker_container_status'),
    exit_code: p.integer().nullable(),
    ports: p.json<Record<string, string[]>>().defaultRaw(`'{}'::jsonb`),
    environment: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    labels: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    runid: p.uuid().nullable().index('idx_docker_container_runid'),
    created: p.datetime(3).nullable(),
    started_at: p.datetime(3).nullable(),
    finished_at: p.datetime(3).nullable(),
    first_seen: p.datetime(3).defaultRaw('now()'),
    last_seen: p.datetime(3).defaultRaw('now()'),
    removed_at: p.datetime(3).nullable(),
    ...times,
  },
  uniques: [{ name: 'docker_container_daemon_key', properties: ['docker_id', 'container_id'] }],
  indexes: [{ name: 'idx_docker_container_removed', properties: ['removed_at'] }],
});

/**
 * A container as one Docker Engine has it. `ports`: what it exposes and where (`{"80/tcp": ["0.0.0.0:8080"]}`); `environment`: values that may be secret as `***`.
 * `runid`: the instance that it was started for, null for others'. `removed`: it is gone from the daemon; the row and its log segments stay.
 */
export class DockerContainer extends DockerContainerSchema.class {}
DockerContainerSchema.setClass(DockerContainer);
