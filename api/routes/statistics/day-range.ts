import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';

const DAY_MS = 86_400_000;
const MOST_DAYS = 366;
const Day = z.iso.date().refine((day) => day >= '1970-01-01' && day <= '9999-12-31', 'must be a day of the years 1970 to 9999');

/** First and last day, both included, UTC. */
export const DayRange = z.strictObject({
  from: Day.optional().describe('first day, UTC; default: 29 days before the last'),
  to: Day.optional().describe('last day, UTC; default: today'),
});

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * The range with its defaults.
 * @throws EngineError invalid_input: it ends before it begins, or holds more than 366 days
 */
export function daysOf({ from, to }: z.output<typeof DayRange>): { from: string; to: string } {
  const last = to ?? (from !== undefined && from > dayOf(Date.now()) ? from : dayOf(Date.now()));
  const first = from ?? dayOf(Date.parse(last) - 29 * DAY_MS);
  const days = (Date.parse(last) - Date.parse(first)) / DAY_MS + 1;
  const refuse = (detail: string) => new EngineError('invalid_input', `from: ${detail}`, { errors: [{ pointer: '/query/from', detail }] });
  if (days < 1) throw refuse(`must not be after "to" (${last}), got ${first}`);
  if (days > MOST_DAYS) throw refuse(`must be at most ${MOST_DAYS} days before "to" (${last}), got ${first}`);
  return { from: first, to: last };
}
