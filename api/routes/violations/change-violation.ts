import { updateViolationStatus } from '../../../commands/update-violation-status.ts';
import { Violation, ViolationChange } from '../../../schemas/violation.ts';
import { defineRoute } from '../../define-route.ts';
import { ViolationPath } from '../paths.ts';

export const changeViolationRoute = defineRoute({
  id: 'changeViolation',
  method: 'patch',
  path: '/violations/{uuid}',
  summary: 'Judge a violation: confirmed, false_positive, resolved, or pending again; with notes',
  tags: ['detections'],
  rights: 'user',
  params: ViolationPath,
  body: ViolationChange,
  response: { status: 200, schema: Violation },
  handle: async ({ params, body }, ctx) => await updateViolationStatus(ctx, params.uuid, body),
});
