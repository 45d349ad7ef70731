import { type Calendar, WEEKDAYS } from './sla.ts';
import { instantsOf, offsetsBetween, wallAt } from './zones.ts';

/** A deadline that comes again: a local time of day (`07:00`), on the days of a calendar. */
export type LocalDeadline = { at: string; timezone: string; calendar: Calendar };

const DAY = 86_400_000;
const EVERY_DAY: Calendar = { days: WEEKDAYS, except: [] };

/** What a condition's spec says, with its defaults; null: it is one instant. */
export function localDeadline(spec: { at: string; timezone?: string | undefined; calendar?: Calendar | undefined }): LocalDeadline | null {
  if (spec.at.includes('T')) return null;
  return { at: spec.at, timezone: spec.timezone ?? 'UTC', calendar: spec.calendar ?? EVERY_DAY };
}

const timeOfDay = (at: string): number => {
  const [hours = 0, minutes = 0, seconds = 0] = at.split(':').map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
};

/** JavaScript's week begins with Sunday. */
const weekdayOf = (midnight: number) => WEEKDAYS[(new Date(midnight).getUTCDay() + 6) % 7] as (typeof WEEKDAYS)[number];
const dateOf = (midnight: number): string => new Date(midnight).toISOString().slice(0, 10);

/**
 * All instants (ms) of a local deadline after `from`, up to and including `until`, in order. A time that the clocks jump over is the first instant after the jump; of one
 * that comes twice the first counts. Days are those of local time.
 */
export function deadlinesBetween({ at, timezone, calendar }: LocalDeadline, from: number, until: number): number[] {
  const found: number[] = [];
  const first = Math.floor(wallAt(timezone, from) / DAY) * DAY - DAY;
  for (let midnight = first; midnight <= until + 2 * DAY; midnight += DAY) {
    if (!calendar.days.includes(weekdayOf(midnight)) || calendar.except.includes(dateOf(midnight))) continue;
    const wall = midnight + timeOfDay(at);
    const offsets = offsetsBetween(timezone, wall, wall + 1000);
    const instant = instantsOf(wall, offsets)[0] ?? offsets.change;
    if (instant > from && instant <= until) found.push(instant);
  }
  return found;
}
