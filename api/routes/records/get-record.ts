import { EngineError } from '../../../core/errors.ts';
import { findRecord } from '../../../entities/detection-list.queries.ts';
import { DetectionRecord } from '../../../schemas/detection.ts';
import { defineRoute } from '../../define-route.ts';
import { RunPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';

export const getRecordRoute = defineRoute({
  id: 'getRecord',
  method: 'get',
  path: '/records/{id}',
  summary: 'Get a detection record',
  tags: ['detections'],
  rights: 'user',
  params: RunPath,
  response: { status: 200, schema: DetectionRecord },
  handle: async ({ params }, ctx) => {
    const record = await findRecord(ctx.em, params.id, scopeOf(ctx.actor));
    if (!record) throw new EngineError('not_found', `detection record ${params.id}: there is none`);
    return record;
  },
});
