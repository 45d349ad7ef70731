import { EngineError } from '../../../core/errors.ts';
import type { SceneVideo } from '../../../schemas/video.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { DownloadQuery, pathOf, storedDownload } from './video-download.ts';
import { ScenePath, visibleVideoDetail } from './video-scope.ts';

/** @throws EngineError not_found: no such task, no such scene, or it is not rendered */
async function renderedScene(ctx: RouteContext, { uuid, scene_number }: { uuid: string; scene_number: number }): Promise<SceneVideo> {
  const { videos } = await visibleVideoDetail(ctx, uuid);
  const scene = videos.find((video) => video.scene_number === scene_number);
  if (scene?.status !== 'completed') throw new EngineError('not_found', `scene ${scene_number} of task ${uuid}: there is none, or not yet`);
  return scene;
}

export const getSceneFileRoute = defineRoute({
  id: 'getSceneFile',
  method: 'get',
  path: '/video/tasks/{uuid}/scenes/{scene_number}',
  summary: 'One rendered scene; it is there as soon as it is rendered',
  tags: ['video'],
  rights: 'user',
  params: ScenePath,
  query: DownloadQuery,
  response: { status: 200, schema: null, download: ['video/mp4'] },
  handle: async ({ params, query }, ctx) => {
    const { file_path, sha256 } = await renderedScene(ctx, params);
    const what = `scene ${params.scene_number} of task ${params.uuid}`;
    const filename = `${params.uuid}-${params.scene_number}.mp4`;
    return await storedDownload(ctx, { key: file_path, what, content_type: 'video/mp4', filename, etag: sha256 }, query);
  },
});

export const getSceneThumbnailRoute = defineRoute({
  id: 'getSceneThumbnail',
  method: 'get',
  path: '/video/tasks/{uuid}/scenes/{scene_number}/thumbnail',
  summary: 'A picture of one rendered scene',
  tags: ['video'],
  rights: 'user',
  params: ScenePath,
  query: DownloadQuery,
  response: { status: 200, schema: null, download: ['image/jpeg'] },
  handle: async ({ params, query }, ctx) => {
    const { thumbnail_path } = await renderedScene(ctx, params);
    const what = `thumbnail of scene ${params.scene_number} of task ${params.uuid}`;
    const filename = `${params.uuid}-${params.scene_number}.jpg`;
    const key = pathOf(thumbnail_path, what);
    return await storedDownload(ctx, { key, what, content_type: 'image/jpeg', filename, etag: null }, query);
  },
});
