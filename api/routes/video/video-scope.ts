import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { getTask, getTaskDetail } from '../../../entities/video.queries.ts';
import type { VideoTask, VideoTaskDetail } from '../../../schemas/video.ts';
import type { RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** A scene of a video, numbered from 1. */
export const ScenePath = z.strictObject({ uuid: z.uuid().toLowerCase(), scene_number: z.coerce.number().int().min(1).max(1_000) });

const missing = (uuid: string): EngineError => new EngineError('not_found', `video task ${uuid}: there is none`);

/** @throws EngineError not_found, also for others' tasks and those of other engines */
export async function visibleVideo(ctx: RouteContext, uuid: string): Promise<VideoTask> {
  const task = await getTask(ctx.em, uuid, scopeOf(ctx.actor));
  if (!task) throw missing(uuid);
  return task;
}

/** As `visibleVideo`, with script and scenes. @throws EngineError not_found */
export async function visibleVideoDetail(ctx: RouteContext, uuid: string): Promise<VideoTaskDetail> {
  const task = await getTaskDetail(ctx.em, uuid, scopeOf(ctx.actor));
  if (!task) throw missing(uuid);
  return task;
}
