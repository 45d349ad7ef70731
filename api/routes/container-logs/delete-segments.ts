import { z } from 'zod';
import { deleteMatching } from '../../../commands/delete-segments.ts';
import { SEGMENT_TYPES } from '../../../core/logs/levels.ts';
import { Instant } from '../../../schemas/limits.ts';
import { SegmentFilter } from '../../../schemas/log-segment.ts';
import { words } from '../../../schemas/page.ts';
import { defineRoute } from '../../define-route.ts';

const { container_id, severity, component, q, from, to, runid, source_id } = SegmentFilter;

export const deleteSegmentsRoute = defineRoute({
  id: 'deleteSegments',
  method: 'delete',
  path: '/container-logs/segments',
  summary: 'Delete all log segments that match at least one filter, in batches; `more`: ask again',
  tags: ['container logs'],
  rights: 'operator',
  query: z
    .strictObject({
      container_id,
      type: words(SEGMENT_TYPES).optional().describe('comma-separated'),
      severity,
      component,
      q,
      from,
      to,
      before: Instant.optional().describe('the same as `to`'),
      runid,
      source_id,
    })
    .refine((filter) => Object.values(filter).some((value) => value !== undefined), 'must have at least one filter'),
  response: { status: 200, schema: z.object({ deleted: z.int(), more: z.boolean() }) },
  handle: async ({ query: { before, to, ...filter } }, ctx) => await deleteMatching(ctx, { ...filter, ...earlier(to, before) }),
});

/** The earlier of both ends; an absent one is no end. */
function earlier(to: string | undefined, before: string | undefined): { to?: string } {
  const [first] = [to, before].filter((at) => at !== undefined).sort((a, b) => Date.parse(a) - Date.parse(b));
  return first === undefined ? {} : { to: first };
}
