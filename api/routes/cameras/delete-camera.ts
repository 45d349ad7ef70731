import { deleteCamera } from '../../../commands/camera-changes.ts';
import { defineRoute } from '../../define-route.ts';
import { CameraPath } from '../paths.ts';

export const deleteCameraRoute = defineRoute({
  id: 'deleteCamera',
  method: 'delete',
  path: '/cameras/{id}',
  summary: 'Delete a camera of which nothing is kept any more',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  response: { status: 204, schema: null },
  handle: async ({ params }, ctx) => await deleteCamera(ctx, params.id),
});
