import { z } from 'zod';

const counts = {
  total_frames: z.int(),
  person_frames: z.int().describe('each person counts once for each frame'),
  persons_max: z.int(),
  violating_person_frames: z.int(),
  hairnet_violations: z.int(),
  violations_opened: z.int(),
  compliance: z.number().nullable().describe('share of person-frames without a violation; null where nobody was seen'),
};

/** One hour (UTC) of one camera. */
export const HourStatistics = z
  .object({
    camera_id: z.string(),
    hour_start: z.iso.datetime(),
    ...counts,
    distinct_tracks: z.int().describe('identities seen, those recognised by their boxes included'),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'HourStatistics' });
export type HourStatistics = z.output<typeof HourStatistics>;

/** One day of one camera, in a time zone; days without frames are there with zeros. */
export const CameraDay = z
  .object({
    camera_id: z.string(),
    date: z.iso.date(),
    starts_at: z.iso.datetime(),
    hours: z.number().describe('how long the day is'),
    ...counts,
  })
  .meta({ id: 'CameraDay' });
export type CameraDay = z.output<typeof CameraDay>;

export const DaySummary = z.object({ timezone: z.string(), items: z.array(CameraDay) }).meta({ id: 'DaySummary' });
