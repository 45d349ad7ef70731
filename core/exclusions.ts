import { EngineError } from './errors.ts';

/** Local days on which a schedule does not fire: from one to another, both included, once; or, where both have no year, one day of every year. */
export type Exclusion = { from: string; until: string; yearly: boolean; text: string };

/** Days of one entry. */
const LONGEST = 366;
const DAY_MS = 86_400_000;

const SINGLE = /^\d{4}-\d{2}-\d{2}$/;
const RANGE = /^\d{4}-\d{2}-\d{2}\/\d{4}-\d{2}-\d{2}$/;
const YEARLY = /^\d{2}-\d{2}$/;

/**
 * Reads the days that a schedule leaves out: `2026-12-25`, `2026-12-24/2026-12-26` (both included), `12-25` (every year).
 * @throws EngineError invalid_input: says which entry and why
 */
export const parseExclusions = (entries: readonly string[]): Exclusion[] => entries.map(parse);

function parse(text: string, index: number): Exclusion {
  const [from = '', until = from] = text.split('/');
  const exclusion = { from, until, yearly: YEARLY.test(text), text };
  const detail = problemOf(exclusion);
  if (detail === null) return exclusion;
  const errors = [{ pointer: `/exclude/${index}`, detail: `"${text}": ${detail}` }];
  throw new EngineError('invalid_input', `exclude: "${text}": ${detail}`, { errors });
}

function problemOf({ from, until, yearly, text }: Exclusion): string | null {
  const range = yearly || SINGLE.test(text) || RANGE.test(text);
  if (!range) return 'expected a day such as 2026-12-25, two with a slash between, or 12-25 for every year';
  // 2024 has a 29 February.
  const wrong = [from, until].find((day) => !isDay(yearly ? `2024-${day}` : day));
  return wrong === undefined ? lengthProblem(from, until) : `there is no day ${wrong}`;
}

function lengthProblem(from: string, until: string): string | null {
  const days = (Date.parse(until) - Date.parse(from)) / DAY_MS + 1;
  if (days < 1) return 'the second day must not be before the first';
  return days > LONGEST ? `must not be longer than ${LONGEST} days, got ${days}` : null;
}

/** Whether the calendar has the day; `Date` would take 30 February for 1 March. */
function isDay(day: string): boolean {
  const at = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().slice(0, 10) === day;
}

/** The entry that leaves out a local day (`2026-12-25`), with the first and the last day that it leaves out in a row; null: none does. */
export function exclusionOf(exclusions: readonly Exclusion[], day: string): { text: string; first: string; last: string } | null {
  const found = exclusions.find(({ from, until, yearly }) => (yearly ? day.endsWith(`-${from}`) : from <= day && day <= until));
  if (!found) return null;
  return { text: found.text, first: found.yearly ? day : found.from, last: found.yearly ? day : found.until };
}
