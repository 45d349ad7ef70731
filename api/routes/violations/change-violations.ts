import { changeViolations } from '../../../commands/update-violation-status.ts';
import { ViolationBulkChange, ViolationBulkResult } from '../../../schemas/violation.ts';
import { defineRoute } from '../../define-route.ts';

export const changeViolationsRoute = defineRoute({
  id: 'changeViolations',
  method: 'post',
  path: '/violations/bulk',
  summary: 'Judge many violations at once: those listed, or at most 10,000 that a filter finds',
  tags: ['detections'],
  rights: 'user',
  body: ViolationBulkChange,
  response: { status: 200, schema: ViolationBulkResult },
  handle: async ({ body }, ctx) => await changeViolations(ctx, body),
});
