import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { findSchedule, type PlainSchedule } from '../entities/schedule.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { ScheduleChange } from '../schemas/schedule.ts';
import { audited } from './audited.ts';
import { checkBinding } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { fireLocked } from './fire-occurrence.ts';
import { lockOwnSchedule, type ScheduleRow, storeProgress } from './schedule-row.ts';
import { checkScheduleText, columnValues, TEXT_COLUMNS, textOf } from './schedule-text.ts';

const CONTENT = ['template', 'template_version', 'parameters', 'tags'] as const;
const TIMING = ['cron', 'seconds', 'timezone', 'dst_gap', 'dst_overlap', 'exclude', 'start_at', 'end_at'] as const;

/**
 * Changes a schedule. What was due by the old rule is settled first; a new rule counts from now on. One that had ended goes on when the change
 * lets it fire again.
 * @throws EngineError not_found, invalid_input, forbidden, unsatisfiable, conflict
 */
export async function changeSchedule(
  ctx: CommandContext,
  { id, change }: { id: string; change: ScheduleChange },
  engines: Engines,
): Promise<PlainSchedule> {
  return await audited(ctx, { action: 'schedule.change', subject_type: 'schedule', subject_id: id }, async (em) => {
    const row = await lockOwnSchedule(em, ctx, id);
    refuseForeignContent(ctx, row, change);
    const before = await findSchedule(em, id, { user_id: null });
    if (row.status === 'active') await fireLocked(em, row, engines);
    const changed = merged(row, change);
    await checkScheduleText({ ...ctx, em }, changed, engines);
    await checkBinding({ em, actor: ctx.actor }, { sla_id: change.sla_id, scope: 'schedule' });
    await store(em, changed);
    const schedule = (await findSchedule(em, id, { user_id: null })) as PlainSchedule;
    return { before, after: schedule, result: schedule };
  });
}

/** A schedule acts with its owner's rights: who else could say what it runs would have them too. */
function refuseForeignContent({ actor }: CommandContext, row: ScheduleRow, change: ScheduleChange): void {
  if (actor.id === row.user_id || actor.role === 'admin') return;
  const [field] = CONTENT.filter((name) => name in change);
  if (field)
    throw new EngineError('forbidden', `${field}: what another user's schedule runs is for its owner and administrators to change`);
}

function merged(row: ScheduleRow, change: ScheduleChange): ScheduleRow {
  const given = Object.fromEntries(Object.entries(textOf(change)).filter(([, value]) => value !== undefined));
  const next = { ...row, ...given } as ScheduleRow;
  const retimed = TIMING.some((name) => next[name] !== row[name]);
  const status = row.status === 'ended' ? ('active' as const) : row.status;
  return retimed || row.status === 'ended' ? { ...next, status, cursor_at: row.now, checked_at: row.now } : { ...next, status };
}

async function store(em: Em, row: ScheduleRow): Promise<void> {
  const taken = await query(em, 'select 1 from schedules where user_id = $2 and name = $3 and id <> $1 and deleted_at is null', [
    row.id,
    row.user_id,
    row.name,
  ]);
  if (taken.length > 0) throw new EngineError('conflict', `schedule "${row.name}": its owner has another one of that name`);
  await query(em, UPDATE, [row.id, row.status, ...columnValues(row)]);
  await storeProgress(em, row);
}

const UPDATE = `update schedules set status = $2, mirror_hash = null, ${TEXT_COLUMNS.map((column, i) => `${column} = $${i + 3}`).join(', ')},
  status_reason = case when $2 = 'paused' then status_reason end where id = $1`;
