import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const DockerImageSchema = defineEntity({
  name: 'DockerImage',
  tableName: 'docker_image',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    docker_id: p.text(),
    image_id: p.text().index('idx_docker_image_image'),
    repo_tags: p.array<string>().default([]),
    repo_digests: p.array<string>().default([]),
    digest: p.text().nullable(),
    size: p.bigint('number').default(0),
    architecture: p.text().nullable(),
    labels: p.json<Record<string, string>>().defaultRaw(`'{}'::jsonb`),
    created: p.datetime(3).nullable(),
    first_seen: p.datetime(3).defaultRaw('now()'),
    last_seen: p.datetime(3).defaultRaw('now()'),
    removed_at: p.datetime(3).nullable(),
    ...times,
  },
  uniques: [{ name: 'docker_image_daemon_key', properties: ['docker_id', 'image_id'] }],
  indexes: [{ name: 'idx_docker_image_removed', properties: ['removed_at'] }],
});

/**
 * An image as one Docker Engine has it. `docker_id`: that daemon's own id, as `workers.docker_id` names it. `created`: when it was built; `digest`: its manifest in the
 * registry, null for one that was never there. `removed_at`: when it was found to be gone; the row stays.
 */
export class DockerImage extends DockerImageSchema.class {}
DockerImageSchema.setClass(DockerImage);
