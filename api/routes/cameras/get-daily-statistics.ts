import { z } from 'zod';
import { visibleCamera } from '../../../commands/camera-changes.ts';
import { summariseDays } from '../../../commands/summarise-days.ts';
import { checkZone, wallAt, wallText } from '../../../core/zones.ts';
import { DaySummary } from '../../../schemas/detection-statistics.ts';
import { text } from '../../../schemas/limits.ts';
import { defineRoute } from '../../define-route.ts';
import { CameraPath } from '../paths.ts';

const DAY_MS = 86_400_000;

const OneDate = z.iso
  .date()
  .refine((date) => date >= '1970-01-10' && date <= '9999-12-30', 'must be a date between 1970-01-10 and 9999-12-30');

export const getDailyStatisticsRoute = defineRoute({
  id: 'getDailyStatistics',
  method: 'get',
  path: '/cameras/{id}/daily-statistics',
  summary: 'Days of a camera in a time zone, daylight saving included; days without frames have zeros',
  tags: ['detections'],
  rights: 'user',
  params: CameraPath,
  query: z.strictObject({
    from: OneDate.optional().describe('default: six days before `to`'),
    to: OneDate.optional().describe('included; default: today'),
    timezone: text(100).min(1).optional().describe('default: the camera’s'),
  }),
  response: { status: 200, schema: DaySummary },
  handle: async ({ params, query }, ctx) => {
    const camera = await visibleCamera(ctx, params.id);
    const timezone = query.timezone ?? camera.timezone;
    const { from, to } = datesOf(query, timezone);
    return { timezone, items: await summariseDays(ctx.em, { camera_id: camera.id, timezone, from, to }) };
  },
});

/** The last seven days of the zone, as far as nothing else is asked for. */
function datesOf(query: { from?: string; to?: string }, timezone: string): { from: string; to: string } {
  checkZone(timezone);
  const to = query.to ?? wallText(wallAt(timezone, Date.now())).slice(0, 10);
  const from = query.from ?? new Date(Date.parse(to) - 6 * DAY_MS).toISOString().slice(0, 10);
  return { from, to };
}
