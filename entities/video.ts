import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';

const VideoSchema = defineEntity({
  name: 'Video',
  tableName: 'videos',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().deleteRule('cascade'),
    scene_number: p.integer(),
    file_path: p.string().length(500),
    file_size: p.bigint('number').nullable(),
    duration: p.double().nullable(),
    width: p.integer().nullable(),
    height: p.integer().nullable(),
    fps: p.integer().nullable(),
    frames: p.integer().nullable(),
    status: p
      .enum(['rendering', 'completed', 'failed', 'interrupted', 'removed'] as const)
      .columnType('varchar(20)')
      .default('completed'),
    sha256: p.string().length(64).nullable(),
    attempts: p.integer().default(0),
    error_message: p.text().nullable(),
    thumbnail_path: p.string().length(500).nullable(),
    ...times,
  },
  uniques: [{ name: 'videos_scene_key', properties: ['task', 'scene_number'] }],
  checks: [
    { name: 'videos_range_check', expression: 'scene_number > 0 and attempts >= 0' },
    {
      name: 'videos_completed_check',
      expression: `status <> 'completed' or (file_size is not null and duration is not null and sha256 is not null)`,
    },
  ],
});

/**
 * The rendered file of one scene, and the checkpoint: what is completed here and still there with this `sha256` is not rendered again.
 * `file_path`: key in the artifact store. `duration` in seconds, `file_size` in bytes. `attempts`: how often its rendering was begun.
 * `interrupted`: its task was stopped meanwhile. `removed`: it was completed, its owner has given the file up.
 */
export class Video extends VideoSchema.class {}
VideoSchema.setClass(Video);
