import { z } from 'zod';
import { previewSchedule } from '../../../commands/preview-schedule.ts';
import { jitterOf } from '../../../core/placeholders.ts';
import { Instant } from '../../../schemas/limits.ts';
import { RulePreview, SchedulePreview } from '../../../schemas/schedule.ts';
import { defineRoute } from '../../define-route.ts';
import { SchedulePath } from '../paths.ts';
import { visibleSchedule } from './shown-schedule.ts';

const Query = z.strictObject({
  n: z.coerce.number().int().min(1).max(1_000).default(10).describe('fires'),
  after: Instant.optional().describe('default: now'),
});

const ms = (text: string | null): number | null => (text === null ? null : Date.parse(text));
const from = (after: string | undefined): number => (after === undefined ? Date.now() : Date.parse(after));

export const previewScheduleRoute = defineRoute({
  id: 'previewSchedule',
  method: 'get',
  path: '/schedules/{id}/preview',
  summary: 'The next fires of a schedule, in words and with daylight-saving warnings',
  tags: ['schedules'],
  rights: 'user',
  params: SchedulePath,
  query: Query,
  response: { status: 200, schema: SchedulePreview },
  handle: async ({ params, query }, ctx) => {
    const schedule = await visibleSchedule(ctx, params.id);
    const bounds = { start_at: ms(schedule.start_at), end_at: ms(schedule.end_at) };
    const jitter_ms = jitterOf(schedule.id, schedule.jitter_s);
    return previewSchedule({ rule: schedule, after: from(query.after), count: query.n, jitter_ms, ...bounds });
  },
});

export const previewRuleRoute = defineRoute({
  id: 'previewRule',
  method: 'post',
  path: '/schedules/preview',
  summary: 'The next fires of a rule that is not saved',
  tags: ['schedules'],
  rights: 'user',
  query: Query,
  body: RulePreview,
  response: { status: 200, schema: SchedulePreview },
  handle: async ({ query, body }) =>
    previewSchedule({
      rule: body,
      after: from(query.after),
      count: query.n,
      jitter_ms: 0,
      start_at: ms(body.start_at),
      end_at: ms(body.end_at),
    }),
});
