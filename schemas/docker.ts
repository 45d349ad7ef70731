import { z } from 'zod';
import { Name } from './limits.ts';

const time = z.iso.datetime();

/** An image as one Docker Engine has it. `removed_at`: when it was found to be gone. */
export const DockerImage = z
  .object({
    id: z.int(),
    docker_id: z.string(),
    image_id: z.string(),
    repo_tags: z.array(z.string()),
    repo_digests: z.array(z.string()),
    digest: z.string().nullable(),
    size: z.number(),
    labels: z.record(z.string(), z.string()),
    containers: z.int().describe('that were made from it on this Engine and are not removed'),
    created: time.nullable(),
    first_seen: time,
    last_seen: time,
    removed_at: time.nullable(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'DockerImage' });
export type DockerImage = z.output<typeof DockerImage>;

/** A container as one Docker Engine has it, with its image and what its log holds. Values of the environment that may be secret are `***`. */
export const DockerContainer = z
  .object({
    id: z.int(),
    docker_id: z.string(),
    container_id: z.string(),
    container_name: z.string(),
    image_id: z.string(),
    image_name: z.string(),
    image: z
      .object({ repo_tags: z.array(z.string()), size: z.number(), digest: z.string().nullable(), removed_at: time.nullable() })
      .nullable(),
    status: z.string(),
    exit_code: z.int().nullable(),
    ports: z.record(z.string(), z.array(z.string())),
    environment: z.record(z.string(), z.string()),
    labels: z.record(z.string(), z.string()),
    runid: z.uuid().nullable(),
    segments: z.record(z.string(), z.int()).describe('log segments by type'),
    created: time.nullable(),
    started_at: time.nullable(),
    finished_at: time.nullable(),
    removed_at: time.nullable(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'DockerContainer' });
export type DockerContainer = z.output<typeof DockerContainer>;

export const IMAGE_OPERATIONS = ['pull', 'push', 'tag', 'untag', 'remove', 'import', 'build', 'prune'] as const;
export const IMAGE_STATUSES = ['started', 'succeeded', 'failed'] as const;

/** One operation on images, from `started` to its end. `bytes`: that travelled, or that were freed. */
export const DockerImageLog = z
  .object({
    id: z.int(),
    docker_id: z.string().nullable(),
    worker: z.string().nullable(),
    image_id: z.string().nullable(),
    image_name: z.string(),
    operation: z.enum(IMAGE_OPERATIONS),
    status: z.enum(IMAGE_STATUSES),
    message: z.string(),
    error_code: z.string().nullable(),
    actor: z.string(),
    task_id: z.uuid(),
    runid: z.uuid(),
    bytes: z.number().nullable(),
    layers: z.int().nullable(),
    duration_ms: z.number().nullable(),
    progress: z.record(z.string(), z.unknown()),
    ended_at: time.nullable(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'DockerImageLog' });
export type DockerImageLog = z.output<typeof DockerImageLog>;

/** On which Engine: a worker by its id, or an Engine by its own; neither is needed where only one is there. */
const Place = {
  worker: Name.optional().describe('worker whose Docker Engine is meant'),
  docker_id: z.string().min(1).max(200).optional().describe('Docker Engine by its own id'),
  queue: Name.optional().describe('default: the template’s, or one of the worker’s pool'),
  priority: z.int().min(0).max(100).optional(),
  timeout: z.int().min(1).max(86_400).optional(),
};
const value = (max: number) => z.string().min(1).max(max);

/** Bodies of the operations; what the engine `image` makes of them is checked again by its own parameters. */
export const ImageRequests = {
  pull: z.strictObject({ ...Place, image: value(255), credentials: Name.optional().describe('secret') }).meta({ id: 'ImagePull' }),
  push: z.strictObject({ ...Place, image: value(255), credentials: Name.optional().describe('secret') }).meta({ id: 'ImagePush' }),
  tag: z.strictObject({ ...Place, image: value(255), target: value(255) }).meta({ id: 'ImageTag' }),
  remove: z.strictObject({ ...Place, image: value(255), force: z.boolean().optional() }).meta({ id: 'ImageRemove' }),
  build: z
    .strictObject({
      ...Place,
      target: value(255),
      dockerfile: value(100_000),
      files: z.record(z.string().max(100), z.string().max(200_000)).optional(),
      arguments: z.record(z.string().max(100), z.string().max(2_000)).optional(),
      network: z.enum(['none', 'bridge']).optional(),
    })
    .meta({ id: 'ImageBuild' }),
  prune: z
    .strictObject({ ...Place, all: z.boolean().optional(), until_hours: z.number().min(0).max(87_600).optional() })
    .meta({ id: 'ImagePrune' }),
} as const;

export const ImportQuery = z.strictObject({
  target: value(255).describe('name and tag of the new image'),
  worker: Name.optional(),
  docker_id: z.string().min(1).max(200).optional(),
  queue: Name.optional(),
});

export const ImageLogStats = z
  .object({
    items: z.array(
      z.object({
        operation: z.enum(IMAGE_OPERATIONS),
        total: z.int(),
        started: z.int(),
        succeeded: z.int(),
        failed: z.int(),
        bytes: z.number(),
        mean_duration_ms: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: 'ImageLogStats' });
export type ImageLogStats = z.output<typeof ImageLogStats>;
