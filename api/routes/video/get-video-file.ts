import { defineRoute } from '../../define-route.ts';
import { TaskPath } from '../paths.ts';
import { DownloadQuery, pathOf, storedDownload } from './video-download.ts';
import { visibleVideo } from './video-scope.ts';

export const getVideoFileRoute = defineRoute({
  id: 'getVideoFile',
  method: 'get',
  path: '/video/tasks/{uuid}/video',
  summary: 'The finished video; ranges are answered, so players can seek',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  query: DownloadQuery,
  response: { status: 200, schema: null, download: ['video/mp4'] },
  handle: async ({ params, query }, ctx) => {
    const task = await visibleVideo(ctx, params.uuid);
    const what = `video of task ${params.uuid}`;
    const key = pathOf(task.final_video_path, what);
    return await storedDownload(ctx, { key, what, content_type: 'video/mp4', filename: `${params.uuid}.mp4`, etag: null }, query);
  },
});

export const getVideoThumbnailRoute = defineRoute({
  id: 'getVideoThumbnail',
  method: 'get',
  path: '/video/tasks/{uuid}/thumbnail',
  summary: 'A picture of the finished video',
  tags: ['video'],
  rights: 'user',
  params: TaskPath,
  query: DownloadQuery,
  response: { status: 200, schema: null, download: ['image/jpeg'] },
  handle: async ({ params, query }, ctx) => {
    const task = await visibleVideo(ctx, params.uuid);
    const what = `thumbnail of task ${params.uuid}`;
    const key = pathOf(task.final_video_path, what).replace(/\.mp4$/, '.jpg');
    return await storedDownload(ctx, { key, what, content_type: 'image/jpeg', filename: `${params.uuid}.jpg`, etag: null }, query);
  },
});
