import { giveUpVideoFiles } from '../../../commands/remove-video-files.ts';
import { VideoTask } from '../../../schemas/video.ts';
import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { visibleVideo } from './video-scope.ts';

export const deleteVideoFilesRoute = defineRoute({
  id: 'deleteVideoFiles',
  method: 'delete',
  path: '/video/tasks/{uuid}/files',
  summary: 'Remove all files of a final video task; the task stays',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  response: { status: 200, schema: VideoTask },
  handle: async ({ params }, ctx) => {
    await visibleVideo(ctx, params.uuid);
    await giveUpVideoFiles(ctx, params.uuid);
    return await visibleVideo(ctx, params.uuid);
  },
});
