import { EngineError } from '../../../core/errors.ts';
import { findSnapshotKey } from '../../../entities/violation-event.queries.ts';
import { defineRoute } from '../../define-route.ts';
import { ViolationPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';

export const getViolationSnapshotRoute = defineRoute({
  id: 'getViolationSnapshot',
  method: 'get',
  path: '/violations/{uuid}/snapshot',
  summary: 'The picture with which a violation opened, where its detector had one',
  tags: ['detections'],
  rights: 'user',
  params: ViolationPath,
  response: { status: 200, schema: null, download: ['image/jpeg'] },
  handle: async ({ params }, ctx) => {
    const key = await findSnapshotKey(ctx.em, params.uuid, scopeOf(ctx.actor));
    const info = key === null ? null : await ctx.artifacts.stat(key);
    if (key === null || info === null) throw new EngineError('not_found', `violation ${params.uuid}: there is none, or no picture of it`);
    const { artifacts } = ctx;
    return {
      download: true,
      content_type: 'image/jpeg',
      filename: null,
      size: info.size,
      etag: `"${params.uuid}"`,
      async *open(range) {
        yield* await artifacts.open(key, range);
      },
    };
  },
});
