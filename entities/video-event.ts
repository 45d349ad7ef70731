import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';

const VideoEventSchema = defineEntity({
  name: 'VideoEvent',
  tableName: 'video_events',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().deleteRule('cascade'),
    event: p.enum(['status', 'progress', 'scene'] as const),
    data: p.json<Record<string, unknown>>(),
    ...times,
  },
  indexes: [{ name: 'idx_video_events_task', properties: ['task', 'id'] }],
});

/** One change of a video, written by triggers with the change itself; `id` rises in the order of a task's commits. Append-only. */
export class VideoEvent extends VideoEventSchema.class {}
VideoEventSchema.setClass(VideoEvent);
