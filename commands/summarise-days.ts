import { localDays, splitByHours } from '../core/detection/days.ts';
import { complianceOf, HOUR_MS } from '../core/detection/statistics.ts';
import { type Stretch, sumStatistics, updateHourlyStatistics } from '../entities/camera-statistics.queries.ts';
import type { Em } from '../entities/sql.ts';
import type { CameraDay } from '../schemas/detection-statistics.ts';

/** Dates as YYYY-MM-DD, both included. */
export type DayRange = { camera_id: string; timezone: string; from: string; to: string };

const NOTHING = {
  total_frames: 0,
  person_frames: 0,
  persons_max: 0,
  violating_person_frames: 0,
  hairnet_violations: 0,
  violations_opened: 0,
};

/**
 * Days of a camera in a time zone, however long the zone makes them: whole hours from the hourly statistics, what is left of hours from minutes.
 * @throws EngineError invalid_input: unknown zone, impossible range
 */
export async function summariseDays(em: Em, { camera_id, timezone, from, to }: DayRange): Promise<CameraDay[]> {
  const days = localDays(timezone, from, to);
  const split = days.map(splitByHours);
  const hours: Stretch[] = split.flatMap((day, i) => (day.hours ? [{ i, from: day.hours[0], until: day.hours[1] }] : []));
  const parts: Stretch[] = split.flatMap((day, i) => day.parts.map(([start, end]) => ({ i, from: start, until: end })));
  await updateHourlyStatistics(em, { camera_id });
  const sums = new Map((await sumStatistics(em, camera_id, { hours, parts })).map(({ i, ...counts }) => [i, counts]));
  return days.map(({ date, start, end }, i) => {
    const counts = sums.get(i) ?? NOTHING;
    return {
      camera_id,
      date,
      starts_at: new Date(start).toISOString(),
      hours: (end - start) / HOUR_MS,
      ...counts,
      compliance: complianceOf(counts),
    };
  });
}
