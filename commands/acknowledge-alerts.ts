import { EngineError } from '../core/errors.ts';
import { findAlert } from '../entities/alert-list.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Alert, AlertBulkAcknowledgement, AlertBulkResult } from '../schemas/alert.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';

const scopeOf = (ctx: CommandContext) => ({ user_id: seesAll(ctx.actor) ? null : ctx.actor.id });

/** @throws EngineError not_found, also for those of others' cameras */
export async function visibleAlert(ctx: CommandContext, id: string): Promise<Alert> {
  const alert = await findAlert(ctx.em, id, scopeOf(ctx));
  if (!alert) throw new EngineError('not_found', `alert ${id}: there is none`);
  return alert;
}

/** Who said it first stays. */
const ACKNOWLEDGE = `update alert_history h set acked_by = $2, acked_at = clock_timestamp(), ack_note = $3
  where h.id = any($1::uuid[]) and h.acked_at is null returning h.id`;

type Words = { by: string; note: string | null };

async function acknowledge(em: Em, ids: readonly string[], { by, note }: Words): Promise<number> {
  return (await query(em, ACKNOWLEDGE, [ids, by, note])).length;
}

/** Says that somebody has seen an alert; repeating it changes nothing. @throws EngineError not_found */
export async function acknowledgeAlert(ctx: CommandContext, id: string, note: string | null): Promise<Alert> {
  return await audited(ctx, { action: 'alert.acknowledge', subject_type: 'alert', subject_id: id }, async (em) => {
    const before = await visibleAlert({ ...ctx, em }, id);
    await acknowledge(em, [id], { by: actorName(ctx.actor), note });
    const alert = await visibleAlert({ ...ctx, em }, id);
    return { before: { acked_by: before.acked_by }, after: { acked_by: alert.acked_by, note: alert.ack_note }, result: alert };
  });
}

const VISIBLE = `select h.id from alert_history h join cameras c on c.id = h.camera_id where h.id = any($1::uuid[]) and ($2::int8 is null or c.user_id = $2)`;

/** The same for many, in one transaction, with one entry of the operation log. */
export async function acknowledgeAlerts(ctx: CommandContext, { ids, note }: AlertBulkAcknowledgement): Promise<AlertBulkResult> {
  return await audited(ctx, { action: 'alert.acknowledge', subject_type: 'alerts', subject_id: 'listed' }, async (em) => {
    const found = (await query<{ id: string }>(em, VISIBLE, [ids, scopeOf(ctx).user_id])).map(({ id }) => id);
    const acknowledged = await acknowledge(em, found, { by: actorName(ctx.actor), note });
    const result = { acknowledged, missing: ids.filter((id) => !found.includes(id)) };
    return { before: null, after: { ids: ids.slice(0, 100), note, acknowledged }, result };
  });
}
