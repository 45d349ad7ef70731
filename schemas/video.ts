import { z } from 'zod';
import { TaskStatus } from '../core/states.ts';

const time = z.iso.datetime().nullable();

/** One scene as it was written. `duration` in whole seconds. */
export const SceneScript = z
  .object({
    scene_number: z.int(),
    description: z.string(),
    duration: z.int(),
    camera_movement: z.string().nullable(),
    lighting: z.string().nullable(),
    voice_text: z.string().nullable(),
    color: z.string().nullable(),
    picture: z.string().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'SceneScript' });
export type SceneScript = z.output<typeof SceneScript>;

/** The rendered file of one scene. `file_path`: key in the artifact store; `file_size` in bytes, `duration` in seconds. */
export const SceneVideo = z
  .object({
    scene_number: z.int(),
    file_path: z.string(),
    file_size: z.int().nullable(),
    duration: z.number().nullable(),
    width: z.int().nullable(),
    height: z.int().nullable(),
    fps: z.int().nullable(),
    frames: z.int().nullable(),
    status: z.enum(['rendering', 'completed', 'failed', 'interrupted', 'removed']),
    sha256: z.string().nullable(),
    attempts: z.int(),
    error_message: z.string().nullable(),
    thumbnail_path: z.string().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'SceneVideo' });
export type SceneVideo = z.output<typeof SceneVideo>;

const fields = {
  task_id: z.uuid(),
  name: z.string(),
  user: z.string(),
  prompt: z.string().nullable(),
  status: z.enum(TaskStatus),
  status_reason: z.string().nullable(),
  progress: z.int().describe('percent; never falls'),
  total_scenes: z.int(),
  completed_scenes: z.int(),
  final_video_path: z.string().nullable().describe('key in the artifact store; null until it is joined, and once its files were given up'),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
  queue: z.string(),
  priority: z.int(),
  attempt: z.int(),
  tags: z.record(z.string(), z.string()),
  created_at: z.iso.datetime(),
  started_at: time,
  completed_at: time,
  duration: z.number().nullable().describe('seconds from first start to end'),
};

/** A video task under the names of its document. Times are ISO 8601 in UTC. */
export const VideoTask = z.object(fields).meta({ id: 'VideoTask' });
export type VideoTask = z.output<typeof VideoTask>;

/** A video task with its script and its rendered scenes, in the order of the scenes. */
export const VideoTaskDetail = z
  .object({ ...fields, scripts: z.array(SceneScript), videos: z.array(SceneVideo) })
  .meta({ id: 'VideoTaskDetail' });
export type VideoTaskDetail = z.output<typeof VideoTaskDetail>;

/** A submitted video; `warnings`, when there are any, say why it may wait. */
export const SubmittedVideo = VideoTask.extend({ warnings: z.array(z.string()).optional() }).meta({ id: 'SubmittedVideo' });

/** One UTC day: the video tasks that were submitted on it, and what became of them. `total_duration`, `avg_generation_time` in seconds. */
export const DayStatistics = z
  .object({
    date: z.iso.date(),
    total_tasks: z.int(),
    completed_tasks: z.int(),
    failed_tasks: z.int(),
    cancelled_tasks: z.int(),
    total_videos: z.int().describe('rendered scenes'),
    total_duration: z.number().describe('seconds of rendered scenes'),
    avg_generation_time: z.number().describe('seconds from start to end, of completed ones; 0 without any'),
  })
  .meta({ id: 'DayStatistics' });
export type DayStatistics = z.output<typeof DayStatistics>;

/** How many video tasks are in each state. */
export const StatusCounts = z.object({ counts: z.record(z.enum(TaskStatus), z.int()), total: z.int() }).meta({ id: 'StatusCounts' });
export type StatusCounts = z.output<typeof StatusCounts>;

/** What a user's video files take, and may take, in bytes. */
export const VideoStorage = z.object({ used_bytes: z.number(), limit_bytes: z.number(), files: z.int() }).meta({ id: 'VideoStorage' });

/** One movement of a user's quota. `round`: how often its task was charged, this time included. */
export const QuotaEntry = z
  .object({
    id: z.int(),
    user: z.string(),
    task_id: z.uuid(),
    round: z.int(),
    kind: z.enum(['reserve', 'commit', 'refund']),
    amount: z.int(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'QuotaEntry' });
export type QuotaEntry = z.output<typeof QuotaEntry>;
