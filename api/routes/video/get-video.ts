import { VideoTaskDetail } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleVideoDetail } from './video-scope.ts';

export const getVideoRoute = defineRoute({
  id: 'getVideo',
  method: 'get',
  path: '/video/tasks/{uuid}',
  summary: 'Get a video task with its script and its rendered scenes',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: VideoTaskDetail },
  handle: async ({ params }, ctx) => await visibleVideoDetail(ctx, params.uuid),
});
