import { EngineError } from '../../../core/errors.ts';
import { findSegment } from '../../../entities/log-segment.queries.ts';
import { LogSegment } from '../../../schemas/log-segment.ts';
import { defineRoute } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';
import { NumberPath } from './paths.ts';

export const getSegmentRoute = defineRoute({
  id: 'getSegment',
  method: 'get',
  path: '/container-logs/segments/{id}',
  summary: 'Show one log segment',
  tags: ['container logs'],
  rights: 'user',
  params: NumberPath,
  response: { status: 200, schema: LogSegment },
  handle: async ({ params }, ctx) => {
    const segment = await findSegment(ctx.em, params.id, scopeOf(ctx.actor));
    if (!segment) throw new EngineError('not_found', `segment ${params.id}: there is none`);
    return segment;
  },
});
