import { changeCamera } from '../../../commands/camera-changes.ts';
import { Camera, CameraChange } from '../../../schemas/camera.ts';
import { defineRoute } from '../../define-route.ts';
import { CameraPath } from '../paths.ts';

export const changeCameraRoute = defineRoute({
  id: 'changeCamera',
  method: 'patch',
  path: '/cameras/{id}',
  summary: 'Change the name or the time zone of a camera',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  body: CameraChange,
  response: { status: 200, schema: Camera },
  handle: async ({ params, body }, ctx) => await changeCamera(ctx, params.id, body),
});
