import { previewRetention, requestRetention } from '../../../commands/request-retention.ts';
import { retentionPolicy } from '../../../commands/retention-policy.ts';
import { RetentionRequest, RetentionRun } from '../../../schemas/retention.ts';
import { defineRoute } from '../../define-route.ts';

export const requestRetentionRoute = defineRoute({
  id: 'requestRetention',
  method: 'post',
  path: '/admin/retention',
  summary: 'Have old rows removed now, by a dispatcher; or, as a dry run, count them',
  tags: ['admin'],
  rights: 'admin',
  body: RetentionRequest,
  response: { status: 202, schema: RetentionRun },
  handle: async ({ body }, ctx) => (body.dry_run ? await previewRetention(ctx, retentionPolicy(ctx.config)) : await requestRetention(ctx)),
});
