import { EngineError } from '../errors.ts';
import { checkZone, instantsOf, offsetsBetween } from '../zones.ts';
import { HOUR_MS } from './statistics.ts';

/** A day of a calendar in a time zone: from `start` to `end` (not included), ms since 1970. 23, 24 or 25 hours long, or whatever the zone decreed. */
export type LocalDay = { date: string; start: number; end: number };

const DAY_MS = 24 * HOUR_MS;
const MOST_DAYS = 400;

/** The first instant of a date in a zone: midnight, or, where the clocks jump over it, the first instant after the jump. */
export function startOfDay(zone: string, date: string): number {
  const midnight = Date.parse(`${date}T00:00:00Z`);
  const offsets = offsetsBetween(zone, midnight, midnight + 1);
  return instantsOf(midnight, offsets)[0] ?? offsets.change;
}

const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);

/**
 * The days from one date to another, both included, in a time zone.
 * @throws EngineError invalid_input: unknown zone, `from` after `to`, more than 400 days
 */
export function localDays(zone: string, from: string, to: string): LocalDay[] {
  checkZone(zone);
  const count = Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1;
  if (count < 1 || count > MOST_DAYS) {
    const detail = `expected a date from ${from} on and at most ${MOST_DAYS} days later, got ${to}`;
    throw new EngineError('invalid_input', `to: ${detail}`, { errors: [{ pointer: '/query/to', detail }] });
  }
  return Array.from({ length: count }, (_, i) => {
    const date = dateAfter(from, i);
    return { date, start: startOfDay(zone, date), end: startOfDay(zone, dateAfter(date, 1)) };
  });
}

/**
 * A stretch of time as whole UTC hours and what is left of hours at its ends, so that a day of any zone is the sum of hours and a few minutes.
 * All are half open. Stretches that hold no whole hour are one part.
 */
export function splitByHours({ start, end }: Pick<LocalDay, 'start' | 'end'>): {
  hours: [number, number] | null;
  parts: [number, number][];
} {
  const first = Math.ceil(start / HOUR_MS) * HOUR_MS;
  const last = Math.floor(end / HOUR_MS) * HOUR_MS;
  if (first >= last) return { hours: null, parts: start < end ? [[start, end]] : [] };
  const parts: [number, number][] = [
    [start, first],
    [last, end],
  ];
  return { hours: [first, last], parts: parts.filter(([from, to]) => from < to) };
}
