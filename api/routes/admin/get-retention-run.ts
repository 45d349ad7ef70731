import { EngineError } from '../../../core/errors.ts';
import { findRetentionRun } from '../../../entities/retention-run.queries.ts';
import { RetentionRun } from '../../../schemas/retention.ts';
import { defineRoute } from '../../define-route.ts';
import { RunPath } from '../paths.ts';

export const getRetentionRunRoute = defineRoute({
  id: 'getRetentionRun',
  method: 'get',
  path: '/admin/retention/{id}',
  summary: 'Follow one run of the retention',
  tags: ['admin'],
  rights: 'admin',
  params: RunPath,
  response: { status: 200, schema: RetentionRun },
  handle: async ({ params }, ctx) => {
    const run = await findRetentionRun(ctx.em, params.id);
    if (!run) throw new EngineError('not_found', `retention run ${params.id}: there is none`);
    return run;
  },
});
