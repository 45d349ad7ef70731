import { wallAt } from '../zones.ts';

/** When a rule is in force: on these days (1 Monday – 7 Sunday), from one time of day to another, in a time zone. `to` not after `from`: until the next day. */
export type AlertSchedule = { timezone: string; days: readonly number[]; from: string; to: string };

const DAY_MS = 86_400_000;

/** ISO day of the week of a wall time. */
const weekday = (wall: number): number => ((new Date(wall).getUTCDay() + 6) % 7) + 1;

/** Minutes since midnight of `HH:MM`; 24:00 is the end of the day. */
function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

/** Whether an instant (ms) lies in the schedule; null: always. A night shift belongs to the day on which it began. */
export function isWithinSchedule(schedule: AlertSchedule | null, at: number): boolean {
  if (schedule === null) return true;
  const wall = wallAt(schedule.timezone, at);
  const minute = Math.floor((wall % DAY_MS) / 60_000);
  const [from, to] = [minutesOf(schedule.from), minutesOf(schedule.to)];
  const on = (moment: number) => schedule.days.includes(weekday(moment));
  if (from < to) return minute >= from && minute < to && on(wall);
  return (minute >= from && on(wall)) || (minute < to && on(wall - DAY_MS));
}
