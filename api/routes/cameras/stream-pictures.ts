import { visibleCamera } from '../../../commands/camera-changes.ts';
import { readLivePicture } from '../../../entities/camera-live.queries.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { followCamera } from '../follow-camera.ts';
import { CameraPath } from '../paths.ts';

async function* picturesOf(ctx: RouteContext, camera_id: string): AsyncGenerator<Uint8Array> {
  for await (const { news } of followCamera(ctx, camera_id, readLivePicture)) yield news;
}

export const streamPicturesRoute = defineRoute({
  id: 'streamPictures',
  method: 'get',
  path: '/cameras/{id}/live.mjpg',
  summary: 'Follow the latest picture of a camera, where its detector has pictures, as MJPEG',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  response: { status: 200, schema: null, stream: 'multipart/x-mixed-replace' },
  handle: async ({ params }, ctx) => {
    await visibleCamera(ctx, params.id);
    return picturesOf(ctx, params.id);
  },
});
