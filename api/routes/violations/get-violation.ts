import { visibleViolation } from '../../../commands/update-violation-status.ts';
import { Violation } from '../../../schemas/violation.ts';
import { defineRoute } from '../../define-route.ts';
import { ViolationPath } from '../paths.ts';

export const getViolationRoute = defineRoute({
  id: 'getViolation',
  method: 'get',
  path: '/violations/{uuid}',
  summary: 'Get a violation',
  tags: ['detections'],
  rights: 'user',
  params: ViolationPath,
  response: { status: 200, schema: Violation },
  handle: async ({ params }, ctx) => await visibleViolation(ctx, params.uuid),
});
