import { EngineError } from '../core/errors.ts';
import { compileRule, type Occurrence, occurrencesAfter, occurrencesPast, type Rule, type RuleText, runs } from '../core/occurrences.ts';
import type { Overlap } from '../core/overlap.ts';
import { jitterOf } from '../core/placeholders.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Schedule, ScheduleText } from '../schemas/schedule.ts';
import { type CommandContext, seesAll } from './context.ts';

/** A schedule as commands work with it: instants in ms of the database's clock, `now` among them. */
export type ScheduleRow = Omit<ScheduleText, 'start_at' | 'end_at' | 'overlap'> & {
  id: string;
  user_id: number;
  status: Schedule['status'];
  overlap: Overlap['policy'];
  runs: number;
  start_at: number | null;
  end_at: number | null;
  cursor_at: number;
  checked_at: number;
  now: number;
};

const ms = (column: string): string => `floor(extract(epoch from ${column}) * 1000)::float8 as ${column}`;

const SELECT = `select id, name, user_id::int4 as user_id, status, cron, seconds, timezone, dst_gap, dst_overlap, exclude, template, template_version,
  parameters, queue, priority, timeout, tags, overlap, overlap_max, catchup, catchup_window_s, catchup_max, jitter_s, max_runs, runs, sla_id,
  ${['start_at', 'end_at', 'cursor_at', 'checked_at'].map(ms).join(', ')}, floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now
  from schedules where id = $1 and deleted_at is null`;

/** Locks a schedule until the transaction ends; everything that writes its ledger does. Null: none, or somebody else is at it. */
export async function lockSchedule(em: Em, id: string): Promise<ScheduleRow | null> {
  return (await query<ScheduleRow>(em, `${SELECT} for no key update skip locked`, [id]))[0] ?? null;
}

/** Locks a schedule for somebody who asks to change it. @throws EngineError not_found, also for others' schedules */
export async function lockOwnSchedule(em: Em, ctx: CommandContext, id: string): Promise<ScheduleRow> {
  const sql = `${SELECT} and ($2 or user_id = $3) for no key update`;
  const [row] = await query<ScheduleRow>(em, sql, [id, seesAll(ctx.actor), ctx.actor.id]);
  if (!row) throw noSchedule(id);
  return row;
}

export const noSchedule = (id: string): EngineError => new EngineError('not_found', `schedule ${id}: there is none`);

export const ruleOf = (row: RuleText): Rule => compileRule(row);

/** The fires of a schedule in (after, until], within its start and end. */
export function fires(row: ScheduleRow, after: number, until: number): Generator<Occurrence> {
  const from = Math.max(after, (row.start_at ?? -Infinity) - 1);
  return occurrencesAfter(ruleOf(row), from, Math.min(until, row.end_at ?? Infinity));
}

export const jitterMs = (row: Pick<ScheduleRow, 'id' | 'jitter_s'>): number => jitterOf(row.id, row.jitter_s);

/** When a schedule fires next after its cursor, and when it has to be looked at: earlier where a fire is only recorded. Both null: never again. */
export function wakeTimes(row: ScheduleRow): { next_at: number | null; due_at: number | null } {
  let due_at: number | null = null;
  const from = Math.max(row.cursor_at, (row.start_at ?? -Infinity) - 1);
  for (const occurrence of occurrencesPast(ruleOf(row), from, Math.min(row.cursor_at + FOREVER, row.end_at ?? Infinity))) {
    due_at ??= occurrence.at + jitterMs(row);
    if (runs(occurrence)) return { next_at: occurrence.at, due_at };
  }
  return { next_at: null, due_at };
}

const FOREVER = 41 * 366 * 86_400_000;

const instant = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Stores where a schedule stands and when it is due, which it returns. One that never fires again has ended. */
export async function storeProgress(em: Em, row: ScheduleRow): Promise<number | null> {
  const used_up = row.max_runs !== null && row.runs >= row.max_runs;
  const { next_at, due_at } = used_up ? { next_at: null, due_at: null } : wakeTimes(row);
  const ends = row.status === 'active' && next_at === null;
  const reason = used_up ? `ran ${row.runs} times` : 'has no further fire';
  await query(em, STORE, [
    row.id,
    instant(row.cursor_at),
    instant(row.checked_at),
    row.runs,
    instant(next_at),
    instant(due_at),
    ends ? 'ended' : row.status,
    ends ? reason : null,
  ]);
  return ends ? null : due_at;
}

const STORE = `update schedules set cursor_at = $2, checked_at = $3, runs = $4, next_at = $5, due_at = case when $7 = 'ended' then null else $6::timestamptz end,
  status_reason = case when $7 = 'ended' and status <> 'ended' then $8 else status_reason end,
  mirror_hash = case when status = $7 then mirror_hash end, status = $7 where id = $1`;
