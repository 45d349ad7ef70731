import { visibleCamera } from '../../../commands/camera-changes.ts';
import { readLiveFrames } from '../../../entities/camera-live.queries.ts';
import { defineRoute, type RouteContext, type ServerEvent } from '../../define-route.ts';
import { followCamera } from '../follow-camera.ts';
import { CameraPath } from '../paths.ts';

async function* framesOf(ctx: RouteContext, camera_id: string): AsyncGenerator<ServerEvent> {
  for await (const { news } of followCamera(ctx, camera_id, readLiveFrames)) {
    for (const frame of news) yield { id: null, event: null, data: frame };
  }
}

export const streamCameraRoute = defineRoute({
  id: 'streamCamera',
  method: 'get',
  path: '/cameras/{id}/live',
  summary: 'Follow what detectors see at a camera, as server-sent events: one for each frame; slow readers miss some',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  response: { status: 200, schema: null, stream: 'text/event-stream' },
  handle: async ({ params }, ctx) => {
    await visibleCamera(ctx, params.id);
    return framesOf(ctx, params.id);
  },
});
