import type { CommandContext } from '../../commands/context.ts';
import { createSchedule } from '../../commands/create-schedule.ts';
import { type Fired, fireDue } from '../../commands/fire-occurrence.ts';
import { type Em, query } from '../../entities/sql.ts';
import { ScheduleCreation } from '../../schemas/schedule.ts';
import { testEngines } from './factories.ts';

let made = 0;

/**
 * A schedule of the template `t` whose cursor stands at `from`, as if it had been made then, so that tests can say what time it is.
 * @returns its id
 */
export async function makeSchedule(ctx: CommandContext, from: string, more: Record<string, unknown> = {}): Promise<string> {
  made += 1;
  const creation = ScheduleCreation.parse({ name: `schedule ${made}`, template: 't', cron: '0 * * * *', ...more });
  const { id } = await createSchedule(ctx, creation, testEngines);
  await query(ctx.em, `update schedules set cursor_at = $2, checked_at = $2, due_at = $2 where id = $1`, [id, from]);
  return id;
}

/** Lets a schedule do what it has to do at a moment. */
export const fireAt = async (em: Em, id: string, now: string): Promise<Fired | null> =>
  await fireDue(em.fork() as Em, { id, now: Date.parse(now) }, testEngines);

export type LedgerRow = {
  at: string;
  local: string;
  ordinal: number;
  outcome: string;
  task: string | null;
  count: number;
  note: string | null;
  backfill: string | null;
};

/** The ledger, oldest first; times to the minute, in UTC. */
export async function ledgerOf(em: Em, id: string): Promise<LedgerRow[]> {
  return await query<LedgerRow>(
    em,
    `select to_char(nominal_at at time zone 'UTC', 'MM-DD HH24:MI') as at, nominal_local as local, ordinal, outcome, task_id as task, count, note,
       backfill_id as backfill from occurrences where schedule_id = $1 order by nominal_at`,
    [id],
  );
}

/** `MM-DD HH:MM outcome` of each row. */
export const outcomesOf = async (em: Em, id: string): Promise<string[]> =>
  (await ledgerOf(em, id)).map(({ at, outcome }) => `${at} ${outcome}`);

/** Ends all tasks that are not final. */
export async function endTasks(em: Em): Promise<void> {
  await query(
    em,
    `update tasks set status = 'cancelled', pending_reason = null, completed_at = now() where status in ('pending', 'queued')`,
  );
}
