import { cancelTask } from '../../../commands/cancel-task.ts';
import { CancelWish } from '../../../schemas/task.ts';
import { VideoTask } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleVideo } from './video-scope.ts';

export const cancelVideoRoute = defineRoute({
  id: 'cancelVideo',
  method: 'post',
  path: '/video/tasks/{uuid}/cancel',
  summary: 'Cancel a video task; finished scenes stay',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  body: CancelWish.default({ reason: null, grace_s: null }),
  response: { status: 200, schema: VideoTask },
  handle: async ({ params, body }, ctx) => {
    await visibleVideo(ctx, params.uuid);
    await cancelTask(ctx, params.uuid, body);
    ctx.notify('cancel');
    ctx.notify('dispatch');
    return await visibleVideo(ctx, params.uuid);
  },
});
