import { type CronFields, type Every, matchesDay, parseCron, parseEvery } from './cron.ts';
import { EngineError } from './errors.ts';
import { type Exclusion, exclusionOf, parseExclusions } from './exclusions.ts';
import { checkZone, instantsOf, type Offsets, offsetsBetween, wallAt, wallText } from './zones.ts';

/**
 * What a schedule says about time. `dst_gap`: a wall time that clocks jump over fires at the first instant after the jump, or not at all.
 * `dst_overlap`: which of two equal wall times fires. Both concern rules with a fixed hour only; others keep elapsed time. `exclude`: local days
 * that are left out, see `parseExclusions`.
 */
export type RuleText = {
  cron: string;
  seconds: boolean;
  timezone: string;
  dst_gap: 'shift' | 'skip';
  dst_overlap: 'first' | 'both' | 'last';
  exclude?: readonly string[];
};

/** A rule that was read and found good. Exactly one of `fields` and `every` is there. */
export type Rule = RuleText & { fields: CronFields | null; every: Every | null; exclusions: readonly Exclusion[] };

/**
 * One nominal fire. `at`: UTC instant in ms, unique within a schedule. `local`: the wall time that the rule names; `ordinal` 2 where it is the
 * second of two equal ones. `dst`: `shifted` out of a gap, `skipped` since it lies in one, `repeated` and therefore not run; else null.
 * `excluded`: the entry of `exclude` that leaves its day out.
 */
export type Occurrence = { at: number; local: string; ordinal: 1 | 2; dst: 'shifted' | 'skipped' | 'repeated' | null; excluded?: string };

/** Whether an occurrence runs anything: those that are skipped, excluded or repetitions are only recorded. */
export const runs = ({ dst, excluded }: Occurrence): boolean => excluded === undefined && (dst === null || dst === 'shifted');

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** No rule that ever fires pauses longer: 29 February on a given weekday comes within 40 years. */
const HORIZON = 41 * 366 * DAY;

/** Reads a rule. @throws EngineError invalid_input with pointers to `/cron`, `/timezone` or `/exclude/…` */
export function compileRule(text: RuleText): Rule {
  checkZone(text.timezone);
  const every = parseEvery(text.cron);
  const exclusions = parseExclusions(text.exclude ?? []);
  return { ...text, every, fields: every ? null : parseCron(text.cron, text.seconds), exclusions };
}

/** Refuses a rule that never fires, such as 31 April. @throws EngineError invalid_input */
export function refuseNever(rule: Rule, after: number): void {
  if (nextFires(rule, { after, count: 1 }).length > 0) return;
  const detail = 'never fires';
  throw new EngineError('invalid_input', `cron "${rule.cron}": ${detail}`, { errors: [{ pointer: '/cron', detail }] });
}

/** All occurrences strictly after `after`, in order, for as long as they are asked for, up to and including `until`. */
export function* occurrencesAfter(rule: Rule, after: number, until: number = after + HORIZON): Generator<Occurrence> {
  const source = rule.every ? everySo(rule, rule.every, after) : byCalendar(rule, after, until);
  let last = after;
  for (const occurrence of source) {
    if (occurrence.at > until) return;
    if (occurrence.at <= last) continue;
    last = occurrence.at;
    yield withExclusion(rule, occurrence);
  }
}

function withExclusion({ exclusions }: Rule, occurrence: Occurrence): Occurrence {
  const found = exclusions.length === 0 ? null : exclusionOf(exclusions, occurrence.local.slice(0, 10));
  return found ? { ...occurrence, excluded: found.text } : occurrence;
}

/** As `occurrencesAfter`, but of days that are left out only the first occurrence: a rule of seconds has millions in a year. */
export function* occurrencesPast(rule: Rule, after: number, until: number = after + HORIZON): Generator<Occurrence> {
  for (let from: number | null = after; from !== null; ) {
    const begin: number = from;
    from = null;
    for (const occurrence of occurrencesAfter(rule, begin, until)) {
      yield occurrence;
      if (occurrence.excluded === undefined) continue;
      from = endOfExclusion(rule, occurrence);
      break;
    }
  }
}

/** The last instant of the days that are left out with the day of an occurrence, never before itself. */
function endOfExclusion({ exclusions, timezone }: Rule, { at, local }: Occurrence): number {
  const last = exclusionOf(exclusions, local.slice(0, 10))?.last ?? local.slice(0, 10);
  return Math.max(at, beginOfDay(timezone, Date.parse(`${last}T00:00:00Z`) + DAY) - 1);
}

/** The first instant of the days that are left out with that of an instant, null when it is not left out. */
function beginOfExclusion({ exclusions, timezone }: Rule, at: number): number | null {
  const found = exclusions.length === 0 ? null : exclusionOf(exclusions, wallText(wallAt(timezone, at)).slice(0, 10));
  return found && beginOfDay(timezone, Date.parse(`${found.first}T00:00:00Z`));
}

/** @param midnight wall time */
function beginOfDay(timezone: string, midnight: number): number {
  const offsets = offsetsBetween(timezone, midnight, midnight + HOUR);
  return instantsOf(midnight, offsets)[0] ?? offsets.change;
}

/** The next `count` occurrences that run something, strictly after `after`. */
export function nextFires(rule: Rule, { after, count, until }: { after: number; count: number; until?: number }): Occurrence[] {
  const fires: Occurrence[] = [];
  if (count === 0) return fires;
  for (const occurrence of occurrencesPast(rule, after, until)) {
    if (runs(occurrence)) fires.push(occurrence);
    if (fires.length >= count) break;
  }
  return fires;
}

/** The last occurrence before `before` that runs something; null when there is none within some 40 years. */
export function previousFire(rule: Rule, before: number): Occurrence | null {
  const left_out_since = beginOfExclusion(rule, before - 1);
  if (left_out_since !== null && left_out_since < before) return previousFire(rule, left_out_since);
  for (let span = HOUR; span <= HORIZON; span *= 24) {
    const found = [...occurrencesPast(rule, before - span, before - 1)].filter(runs).at(-1);
    if (found) return found;
  }
  return null;
}

function* everySo(rule: Rule, { every_s, offset_s }: Every, after: number): Generator<Occurrence> {
  const [step, offset] = [every_s * 1000, offset_s * 1000];
  for (let at = Math.floor((after - offset) / step) * step + offset; ; at += step)
    yield { at, local: wallText(wallAt(rule.timezone, at)), ordinal: 1, dst: null };
}

/** Hours of local time that a rule names, from the one in which the first instant after `after` may lie. */
function* hoursFrom(fields: CronFields, first: number): Generator<number> {
  for (let midnight = Math.floor(first / DAY) * DAY; midnight - first < HORIZON; midnight += DAY) {
    if (!matchesDay(fields, midnight)) continue;
    yield* fields.hours.map((hour) => midnight + hour * HOUR).filter((hour) => hour + HOUR > first);
  }
}

/**
 * Goes through local hours, since rules speak of local time. Where the clocks are moved, instants of later wall times may come before those of
 * earlier ones: they are kept back until no later wall time can come before them.
 */
function* byCalendar(rule: Rule, after: number, until: number): Generator<Occurrence> {
  const fields = rule.fields as CronFields;
  const first = Math.min(wallAt(rule.timezone, after), after + wallAt(rule.timezone, after + 28 * HOUR) - (after + 28 * HOUR));
  let waiting: Occurrence[] = [];
  for (const hour of hoursFrom(fields, first)) {
    const offsets = offsetsBetween(rule.timezone, hour, hour + HOUR);
    const earliest = instantsOf(hour, offsets)[0] ?? offsets.change;
    yield* waiting.filter(({ at }) => at < earliest);
    if (earliest > until) return;
    waiting = waiting.filter(({ at }) => at >= earliest);
    if (offsets.before === offsets.after) yield* plainHour(fields, hour, offsets);
    else waiting = [...waiting, ...movedHour(rule, hour, offsets)].sort(inOrder);
  }
  yield* waiting;
}

/** Of several at one instant the one comes first that stays: one that runs, and rather one that was not shifted there. */
const rank = ({ dst }: Occurrence): number => (dst === null ? 0 : dst === 'shifted' ? 1 : 2);
const inOrder = (a: Occurrence, b: Occurrence): number => a.at - b.at || rank(a) - rank(b);

function* wallsOf(fields: CronFields, hour: number): Generator<number> {
  for (const minute of fields.minutes) for (const second of fields.seconds) yield hour + minute * 60_000 + second * 1000;
}

function* plainHour(fields: CronFields, hour: number, { before }: Offsets): Generator<Occurrence> {
  for (const wall of wallsOf(fields, hour)) yield { at: wall - before, local: wallText(wall), ordinal: 1, dst: null };
}

function movedHour(rule: Rule, hour: number, offsets: Offsets): Occurrence[] {
  const found: Occurrence[] = [];
  for (const wall of wallsOf(rule.fields as CronFields, hour)) {
    const [first, second] = instantsOf(wall, offsets);
    const local = wallText(wall);
    if (first === undefined) found.push(...inGap(rule, { local, at: offsets.change }));
    else if (second === undefined) found.push({ at: first, local, ordinal: 1, dst: null });
    else found.push(...repeated(rule, { local, first, second }));
  }
  return found;
}

function inGap({ fields, dst_gap }: Rule, { local, at }: { local: string; at: number }): Occurrence[] {
  if (!fields?.fixed_hour) return [];
  return [{ at, local, ordinal: 1, dst: dst_gap === 'shift' ? 'shifted' : 'skipped' }];
}

function repeated({ fields, dst_overlap }: Rule, { local, first, second }: { local: string; first: number; second: number }): Occurrence[] {
  const both = !fields?.fixed_hour || dst_overlap === 'both';
  return [
    { at: first, local, ordinal: 1, dst: both || dst_overlap === 'first' ? null : 'repeated' },
    { at: second, local, ordinal: 2, dst: both || dst_overlap === 'last' ? null : 'repeated' },
  ];
}
