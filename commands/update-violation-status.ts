import { EngineError } from '../core/errors.ts';
import { type Conditions, conditions, where } from '../entities/page.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { findViolation, whereViolations } from '../entities/violation-event.queries.ts';
import type { Violation, ViolationBulkChange, ViolationBulkResult, ViolationChange } from '../schemas/violation.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';

/** The most violations of one change. */
const MOST = 10_000;

const scopeOf = (ctx: CommandContext) => ({ user_id: seesAll(ctx.actor) ? null : ctx.actor.id });
const noViolation = (id: string): EngineError => new EngineError('not_found', `violation ${id}: there is none`);

/** @throws EngineError not_found, also for those of others' cameras */
export async function visibleViolation(ctx: CommandContext, id: string): Promise<Violation> {
  const violation = await findViolation(ctx.em, id, scopeOf(ctx));
  if (!violation) throw noViolation(id);
  return violation;
}

const judgement = ({ status, handled_by, notes }: Violation) => ({ status, handled_by, notes });

/**
 * Says what a violation is: confirmed, a false positive, resolved; or pending again. Who said it, and when, is kept.
 * @throws EngineError not_found
 */
export async function updateViolationStatus(ctx: CommandContext, id: string, change: ViolationChange): Promise<Violation> {
  return await audited(ctx, { action: 'violation.change', subject_type: 'violation', subject_id: id }, async (em) => {
    await query(em, 'select 1 from violation_events where id = $1 for no key update', [id]);
    const before = await findViolation(em, id, scopeOf(ctx));
    if (!before) throw noViolation(id);
    await query(em, UPDATE, [[id], change.status ?? null, actorName(ctx.actor), 'notes' in change, change.notes ?? null]);
    const violation = (await findViolation(em, id, { user_id: null })) as Violation;
    return { before: judgement(before), after: judgement(violation), result: violation };
  });
}

/** A status that is there already keeps who said it first. */
const UPDATE = `
update violation_events set
  handled_by = case when $2::text is null or $2 = status then handled_by when $2 = 'pending' then null else $3 end,
  handled_at = case when $2::text is null or $2 = status then handled_at when $2 = 'pending' then null else clock_timestamp() end,
  status = coalesce($2, status), notes = case when $4::boolean then $5 else notes end
where id = any($1::uuid[])
  and (($2::text is not null and status <> $2) or ($4::boolean and notes is distinct from $5)) returning id`;

/**
 * The same judgement for many, in one transaction, with one entry of the operation log.
 * @throws EngineError too_large: the filter finds more than 10,000
 */
export async function changeViolations(ctx: CommandContext, change: ViolationBulkChange): Promise<ViolationBulkResult> {
  const list = selection(ctx, change);
  if (change.dry_run) return await changeFound(ctx.em, ctx, { change, list });
  return await audited(
    ctx,
    { action: `violation.${change.status}`, subject_type: 'violations', subject_id: change.ids ? 'listed' : 'filtered' },
    async (em) => {
      const result = await changeFound(em, ctx, { change, list });
      const { ids, filter, status, notes } = change;
      return { before: null, after: { ids: ids?.slice(0, 100), filter, status, notes, changed: result.changed }, result };
    },
  );
}

function selection(ctx: CommandContext, { ids, filter }: ViolationBulkChange): Conditions {
  const list = conditions();
  whereViolations(list, { ...filter, ...scopeOf(ctx) });
  where(list, 'v.id = any(?::uuid[])', ids);
  return list;
}

type Work = { change: ViolationBulkChange; list: Conditions };

async function changeFound(em: Em, ctx: CommandContext, { change, list }: Work): Promise<ViolationBulkResult> {
  const { ids, status, notes, dry_run } = change;
  const filter = list.clauses.length > 0 ? `where ${list.clauses.join(' and ')}` : '';
  const sql = `select v.id from violation_events v join detection_sessions s on s.id = v.session_id ${filter} order by v.id limit ${MOST + 1} ${dry_run ? '' : 'for no key update of v'}`;
  const found = (await queryOnce<{ id: string }>(em, sql, list.values)).map(({ id }) => id);
  if (found.length > MOST) throw new EngineError('too_large', `the filter finds more than ${MOST} violations: narrow it`);
  const missing = (ids ?? []).filter((id) => !found.includes(id));
  if (dry_run) return { dry_run, matched: found.length, changed: 0, missing };
  const changed = await query(em, UPDATE, [found, status, actorName(ctx.actor), notes !== undefined, notes ?? null]);
  return { dry_run, matched: found.length, changed: changed.length, missing };
}
