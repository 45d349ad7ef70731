import { EngineError } from './errors.ts';

const HOUR = 3_600_000;
/** Local time is at most 14 hours ahead of UTC and 12 behind, so these probes lie before and after any change that concerns a wall time. */
const PROBE_BEFORE = 15 * HOUR;
const PROBE_AFTER = 13 * HOUR;

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (!formatter) {
    const two = '2-digit';
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    });
    formatters.set(zone, formatter);
  }
  return formatter;
}

/** Names only: what looks like an offset (`+02:00`) knows no daylight saving, and people mean the zone. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

/** @throws EngineError invalid_input: not a name of the IANA time zone database */
export function checkZone(zone: string): void {
  try {
    if (ZONE_NAME.test(zone)) return void formatterOf(zone);
  } catch {
    // Unknown to the database: said below.
  }
  const detail = `"${zone}": expected a name of the IANA time zone database such as "Europe/Berlin"`;
  throw new EngineError('invalid_input', `timezone ${detail}`, { errors: [{ pointer: '/timezone', detail }] });
}

/** Milliseconds by which the zone's clocks are ahead of UTC at an instant. */
export function offsetAt(zone: string, instant: number): number {
  if (zone === 'UTC') return 0;
  const whole = Math.floor(instant / 1000) * 1000;
  const parts = formatterOf(zone).format(whole).match(/\d+/g)?.map(Number) ?? [];
  const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}

/** A wall time is the number that `Date.UTC` makes of its digits. */
export const wallAt = (zone: string, instant: number): number => instant + offsetAt(zone, instant);

/** `2026-03-29T02:30:00`: a wall time without a zone. */
export const wallText = (wall: number): string => new Date(wall).toISOString().slice(0, 19);

/** The offsets that concern wall times of a stretch: one, or two around the instant `change` at which the clocks were moved. */
export type Offsets = { before: number; after: number; change: number };

/** Offsets for all wall times in [from, to). Rests on there being at most one change within two days, as everywhere since 1970. */
export function offsetsBetween(zone: string, from: number, to: number): Offsets {
  let low = from - PROBE_BEFORE;
  let high = to + PROBE_AFTER;
  const before = offsetAt(zone, low);
  const after = offsetAt(zone, high);
  if (before === after) return { before, after, change: -Infinity };
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offsetAt(zone, middle) === before) low = middle;
    else high = middle;
  }
  return { before, after, change: high };
}

/** When a wall time is: at one instant, at two (clocks went back), or at none (they went forward over it; `change` is the first instant after). */
export function instantsOf(wall: number, { before, after, change }: Offsets): number[] {
  if (before === after) return [wall - before];
  return [...(wall - before < change ? [wall - before] : []), ...(wall - after >= change ? [wall - after] : [])];
}
