import { visibleCamera } from '../../../commands/camera-changes.ts';
import { EngineError } from '../../../core/errors.ts';
import { publishPicture } from '../../../entities/camera-live.queries.ts';
import { defineRoute } from '../../define-route.ts';
import { CameraPath } from '../paths.ts';

const MOST_BYTES = 2 * 2 ** 20;

export const putPictureRoute = defineRoute({
  id: 'putPicture',
  method: 'put',
  path: '/cameras/{id}/picture',
  summary: 'Hand on the latest picture of a camera to those who watch it now; it is not kept',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  raw_body: { types: ['image/jpeg'], max_bytes: MOST_BYTES },
  response: { status: 204, schema: null },
  handle: async ({ params, raw }, ctx) => {
    await visibleCamera(ctx, params.id);
    const chunks: Buffer[] = [];
    for await (const chunk of raw.stream) chunks.push(chunk as Buffer);
    const picture = Buffer.concat(chunks);
    if (picture[0] !== 0xff || picture[1] !== 0xd8) throw new EngineError('invalid_input', 'the body: expected a JPEG picture');
    await publishPicture(ctx.em, params.id, picture);
    return undefined;
  },
});
