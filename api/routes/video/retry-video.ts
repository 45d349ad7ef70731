import { retryTask } from '../../../commands/retry-task.ts';
import { VideoTask } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleVideo } from './video-scope.ts';

export const retryVideoRoute = defineRoute({
  id: 'retryVideo',
  method: 'post',
  path: '/video/tasks/{uuid}/retry',
  summary: 'Queue a failed or cancelled video again; only the scenes that are missing are rendered',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: VideoTask },
  handle: async ({ params }, ctx) => {
    await visibleVideo(ctx, params.uuid);
    await retryTask(ctx, params.uuid);
    ctx.notify('dispatch');
    return await visibleVideo(ctx, params.uuid);
  },
});
