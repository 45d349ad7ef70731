import { uuidv7 } from 'uuidv7';
import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { findSchedule, type PlainSchedule } from '../entities/schedule.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { ScheduleCreation } from '../schemas/schedule.ts';
import { audited } from './audited.ts';
import { checkBinding } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { type ScheduleRow, storeProgress } from './schedule-row.ts';
import { checkScheduleText, columnValues, TEXT_COLUMNS, textOf } from './schedule-text.ts';

/**
 * Makes a schedule that belongs to its maker and fires with the maker's rights. It fires from now on; what is past is for a backfill.
 * @throws EngineError invalid_input, forbidden, unsatisfiable; conflict: the maker has another one of that name
 */
export async function createSchedule(ctx: CommandContext, creation: ScheduleCreation, engines: Engines): Promise<PlainSchedule> {
  const id = uuidv7();
  return await audited(ctx, { action: 'schedule.create', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await draft(em, { ctx, id, creation });
    await checkScheduleText({ ...ctx, em }, row, engines);
    await checkBinding({ em, actor: ctx.actor }, { sla_id: row.sla_id, scope: 'schedule' });
    const made = await query(em, INSERT, [id, ctx.actor.id, row.status, new Date(row.now).toISOString(), ...columnValues(row)]);
    if (made.length === 0) throw new EngineError('conflict', `schedule "${creation.name}": you have another one of that name`);
    await storeProgress(em, row);
    const schedule = (await findSchedule(em, id, { user_id: null })) as PlainSchedule;
    return { before: null, after: schedule, result: schedule };
  });
}

const INSERT = `insert into schedules (id, user_id, status, cursor_at, checked_at, ${TEXT_COLUMNS.join(', ')})
  values ($1, $2, $3, $4, $4, ${TEXT_COLUMNS.map((_, i) => `$${i + 5}`).join(', ')}) on conflict do nothing returning id`;

type Draft = { ctx: CommandContext; id: string; creation: ScheduleCreation };

async function draft(em: Em, { ctx, id, creation }: Draft): Promise<ScheduleRow> {
  const { paused, ...text } = creation;
  const [clock] = await query<{ now: number }>(em, 'select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now');
  const now = clock?.now ?? 0;
  const state = { id, user_id: ctx.actor.id, status: paused ? ('paused' as const) : ('active' as const), runs: 0 };
  return { ...textOf(text), ...state, cursor_at: now, checked_at: now, now };
}
