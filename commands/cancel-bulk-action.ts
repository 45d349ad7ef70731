import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { writeAudit } from './write-audit.ts';

/**
 * Stops a bulk action: tasks that it has not come to are left alone. What it did stays done. Asking twice is harmless.
 * @throws EngineError not_found (also for others'), conflict: it is complete
 */
export async function cancelBulkAction(ctx: CommandContext, id: string): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const sql = 'select status from bulk_actions where id = $1 and ($2 or user_id = $3) for no key update';
    const [row] = await query<{ status: string }>(em, sql, [id, seesAll(ctx.actor), ctx.actor.id]);
    if (!row) throw new EngineError('not_found', `bulk action ${id}: there is none`);
    if (row.status === 'cancelled') return;
    if (row.status === 'completed') throw new EngineError('conflict', `bulk action ${id}: cannot be cancelled, it is complete`);
    await query(em, `update bulk_actions set status = 'cancelled', completed_at = now(), updated_at = now() where id = $1`, [id]);
    await query(em, SKIP, [id]);
    const subject = { action: 'bulk_action.cancel', subject_type: 'bulk_action', subject_id: id };
    const change = { before: { status: row.status }, after: { status: 'cancelled' } };
    await writeAudit(em, { actor: actorName(ctx.actor), ...subject, ...change, request_id: ctx.request_id });
  });
}

const SKIP = `update bulk_action_items set status = 'skipped', updated_at = now() where bulk_action_id = $1 and status = 'waiting'`;
