import { EngineError } from '../core/errors.ts';
import { findDelivery } from '../entities/notice.queries.ts';
import { query } from '../entities/sql.ts';
import type { Delivery } from '../schemas/notice.ts';
import { audited } from './audited.ts';
import { type CommandContext, seesAll } from './context.ts';

export const noDelivery = (id: string): EngineError => new EngineError('not_found', `delivery ${id}: there is none`);

/**
 * Sends a delivery that was given up again, under the same key, and tries it for another day, also where its target is being left alone.
 * @throws EngineError not_found (also for others'), conflict: it waits or was delivered
 */
export async function retryDelivery(ctx: CommandContext, id: string): Promise<Delivery> {
  return await audited(ctx, { action: 'delivery.retry', subject_type: 'delivery', subject_id: id }, async (em) => {
    const scope = { user_id: seesAll(ctx.actor) ? null : ctx.actor.id };
    await query(em, 'select 1 from deliveries where id = $1 for no key update', [id]);
    const before = await findDelivery(em, id, scope);
    if (!before) throw noDelivery(id);
    if (before.state !== 'dead')
      throw new EngineError('conflict', `delivery ${id}: only those given up can be sent again, it is ${before.state}`);
    await query(em, RETRY, [id]);
    await query(em, OPEN, [id]);
    const after = (await findDelivery(em, id, scope)) as Delivery;
    return { before, after, result: after };
  });
}

const RETRY = `update deliveries set state = 'waiting', next_at = clock_timestamp(), ended_at = null,
  give_up_at = clock_timestamp() + interval '24 hours' where id = $1`;
const OPEN = `update delivery_lanes l set paused_until = null from deliveries d where d.id = $1 and l.name = d.lane`;
