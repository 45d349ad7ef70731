import { inWords } from '../core/cron-words.ts';
import { compileRule, type Occurrence, occurrencesPast, type Rule, type RuleText, refuseNever, runs } from '../core/occurrences.ts';
import { offsetAt } from '../core/zones.ts';
import type { SchedulePreview } from '../schemas/schedule.ts';

/** A rule and when it counts: ms, null without bound. `jitter_ms`: by how much its fires are late on purpose. */
export type PreviewOrder = {
  rule: RuleText;
  after: number;
  count: number;
  start_at: number | null;
  end_at: number | null;
  jitter_ms: number;
};

const iso = (at: number): string => new Date(at).toISOString();

/**
 * The coming fires of a rule, from the same function that decides them when the time comes, with what daylight saving does to them.
 * @throws EngineError invalid_input: a bad rule, or one that never fires
 */
export function previewSchedule({ rule: text, after, count, start_at, end_at, jitter_ms }: PreviewOrder): SchedulePreview {
  const rule = compileRule(text);
  refuseNever(rule, after);
  const coming: Occurrence[] = [];
  for (const occurrence of occurrencesPast(rule, Math.max(after, (start_at ?? -Infinity) - 1), end_at ?? undefined)) {
    coming.push(occurrence);
    if (coming.filter(runs).length >= count) break;
  }
  const fires = coming
    .filter(runs)
    .map(({ at, local, ordinal, dst }) => ({ nominal_at: iso(at), nominal_local: local, ordinal, dst, due_at: iso(at + jitter_ms) }));
  return {
    words: inWords(rule),
    timezone: rule.timezone,
    tzdata: process.versions.tz ?? 'unknown',
    fires,
    warnings: [...coming.flatMap((occurrence) => warningOf(rule, occurrence) ?? []), ...shiftWarnings(rule, coming)],
  };
}

function warningOf(rule: Rule, { at, local, ordinal, dst, excluded }: Occurrence): string | null {
  if (excluded !== undefined) return `${local.slice(0, 10)} is left out (${excluded}): does not fire`;
  const where = `${local.replace('T', ' ')} in ${rule.timezone}`;
  if (dst === 'shifted') return `${where} does not exist, clocks jump over it: fires at ${iso(at)}, the first instant after`;
  if (dst === 'skipped') return `${where} does not exist, clocks jump over it: does not fire`;
  if (dst === 'repeated') return `${where} comes twice: the ${ordinal === 1 ? 'first' : 'second'} time, ${iso(at)}, does not fire`;
  return ordinal === 2 ? `${where} comes twice: fires at the second time too, ${iso(at)}` : null;
}

/** Where the offset changes between two fires, the time between them is not what it looks like. */
function shiftWarnings(rule: Rule, coming: readonly Occurrence[]): string[] {
  return coming.flatMap(({ at }, i) => {
    const next = coming[i + 1];
    const moved = next ? offsetAt(rule.timezone, next.at) - offsetAt(rule.timezone, at) : 0;
    if (!next || moved === 0) return [];
    const minutes = Math.abs(moved) / 60_000;
    return [`clocks in ${rule.timezone} go ${moved > 0 ? 'forward' : 'back'} by ${minutes} minutes between ${iso(at)} and ${iso(next.at)}`];
  });
}
