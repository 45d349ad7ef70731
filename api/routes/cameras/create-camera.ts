import { createCamera } from '../../../commands/camera-changes.ts';
import { Camera, CameraCreation } from '../../../schemas/camera.ts';
import { defineRoute, withHeaders } from '../../define-route.ts';

export const createCameraRoute = defineRoute({
  id: 'createCamera',
  method: 'post',
  path: '/cameras',
  summary: 'Create a camera before its first detections, which would create it too',
  tags: ['detections'],
  rights: 'user',
  body: CameraCreation,
  response: { status: 201, schema: Camera },
  handle: async ({ body }, ctx) => {
    const camera = await createCamera(ctx, body);
    return withHeaders(camera, { Location: `/api/v1/cameras/${camera.id}` });
  },
});
