import { visibleCamera } from '../../../commands/camera-changes.ts';
import { Camera } from '../../../schemas/camera.ts';
import { defineRoute } from '../../define-route.ts';
import { CameraPath } from '../paths.ts';

export const getCameraRoute = defineRoute({
  id: 'getCamera',
  method: 'get',
  path: '/cameras/{id}',
  summary: 'Get a camera',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  response: { status: 200, schema: Camera },
  handle: async ({ params }, ctx) => await visibleCamera(ctx, params.id),
});
