import { EngineError } from '../core/errors.ts';
import { nextFires, refuseNever } from '../core/occurrences.ts';
import type { Engines } from '../engines/define-engine.ts';
import type { ScheduleText } from '../schemas/schedule.ts';
import type { CommandContext } from './context.ts';
import { prepareTasks } from './prepare-tasks.ts';
import { ruleOf, type ScheduleRow } from './schedule-row.ts';
import { submissionOf } from './submit-occurrence.ts';

const bad = (pointer: string, detail: string): EngineError =>
  new EngineError('invalid_input', `${pointer.slice(1)}: ${detail}`, { errors: [{ pointer, detail }] });

/** Refusals that may be over when the schedule fires: a queue that is full or draining now. */
const PASSING = new Set<EngineError['code']>(['too_many', 'conflict']);

/**
 * Checks everything that a schedule says as it would be used at its next fire: rule, limits, template, parameters, queue and the rights of
 * whoever saves it. Changes nothing.
 * @throws EngineError invalid_input, forbidden, unsatisfiable with pointers to the fields
 */
export async function checkScheduleText(ctx: CommandContext, row: ScheduleRow, engines: Engines): Promise<void> {
  const rule = ruleOf(row);
  refuseNever(rule, row.now);
  refuseContradictions(row);
  const [next] = nextFires(rule, { after: Math.max(row.now, row.start_at ?? 0), count: 1 });
  const item = submissionOf(row, next ?? { at: row.now, local: '' });
  await prepareTasks(ctx, [{ item, index: 0 }], engines).catch((error: unknown) => {
    if (!(error instanceof EngineError)) throw error;
    if (!PASSING.has(error.code)) throw withoutIndex(error);
  });
}

function refuseContradictions({ start_at, end_at, catchup, overlap }: ScheduleRow): void {
  if (start_at !== null && end_at !== null && end_at < start_at) throw bad('/end_at', 'must not be before start_at');
  if (catchup !== 'all' || overlap !== 'skip') return;
  throw bad(
    '/catchup',
    '"all" together with overlap "skip" would run one fire and skip the others: choose another overlap, or catchup "last"',
  );
}

/** The check of submissions points into a list. */
function withoutIndex(error: EngineError): EngineError {
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0(?=\/|$)/, ''), detail }));
  return new EngineError(error.code, error.message, { errors, cause: error });
}

/** Columns of `schedules` that a user sets, in the order of `columnValues`. */
export const TEXT_COLUMNS = [
  'name',
  'cron',
  'seconds',
  'timezone',
  'dst_gap',
  'dst_overlap',
  'exclude',
  'template',
  'template_version',
  'parameters',
  'queue',
  'priority',
  'timeout',
  'tags',
  'overlap',
  'overlap_max',
  'catchup',
  'catchup_window_s',
  'catchup_max',
  'jitter_s',
  'start_at',
  'end_at',
  'max_runs',
  'sla_id',
] as const satisfies (keyof ScheduleText)[];

const JSON_COLUMNS = new Set<string>(['parameters', 'tags', 'exclude']);
const TIME_COLUMNS = new Set<string>(['start_at', 'end_at']);

/** Values for `TEXT_COLUMNS` as PostgreSQL takes them. */
export function columnValues(row: ScheduleRow): unknown[] {
  return TEXT_COLUMNS.map((column) => {
    const value = row[column];
    if (JSON_COLUMNS.has(column)) return JSON.stringify(value);
    return TIME_COLUMNS.has(column) && value !== null ? new Date(value as number).toISOString() : value;
  });
}

/** What a user sends, with instants in ms. */
export function textOf<T extends { start_at?: string | null; end_at?: string | null }>(sent: T) {
  const at = (text: string | null | undefined) => (text ? Date.parse(text) : (text as null | undefined));
  const times = { start_at: at(sent.start_at), end_at: at(sent.end_at) };
  const given = Object.fromEntries(Object.entries(times).filter(([, value]) => value !== undefined));
  return { ...sent, ...given } as Omit<T, 'start_at' | 'end_at'> & { start_at: number | null; end_at: number | null };
}
