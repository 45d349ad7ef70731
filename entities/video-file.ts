import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';
import { User } from './user.ts';

const VideoFileSchema = defineEntity({
  name: 'VideoFile',
  tableName: 'video_files',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().nullable().deleteRule('set null').index('idx_video_files_task'),
    user: () => p.manyToOne(User).fieldName('user_id').ref().index('idx_video_files_user'),
    key: p.string().length(500).unique('video_files_key_key'),
    bytes: p.bigint('number').defaultRaw('0'),
    ...times,
  },
  checks: [{ name: 'video_files_bytes_check', expression: 'bytes >= 0' }],
});

/**
 * One file in the artifact store, noted before it is stored, so that none is ever forgotten there. Its task is null once the task is gone or its
 * files were given up: the file is then removed, and the row after it. What a user stores is the sum of these `bytes`.
 */
export class VideoFile extends VideoFileSchema.class {}
VideoFileSchema.setClass(VideoFile);
