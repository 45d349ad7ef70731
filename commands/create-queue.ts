import { EngineError } from '../core/errors.ts';
import { findQueue } from '../entities/queue.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Queue, QueueCreation } from '../schemas/queue.ts';
import { storedRate } from '../schemas/rate-limit.ts';
import { audited } from './audited.ts';
import { checkBinding } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';

/**
 * Opens a waiting line in a pool.
 * @throws EngineError invalid_input: no such pool or SLA; conflict: the name is taken
 */
export async function createQueue(ctx: CommandContext, creation: QueueCreation): Promise<Queue> {
  const deed = { action: 'queue.create', subject_type: 'queue', subject_id: creation.name };
  return await audited(ctx, deed, async (em) => {
    await refuseMissingPool(em, creation.pool);
    await checkBinding({ em, actor: ctx.actor }, { sla_id: creation.sla_id, scope: 'queue' });
    const made = await query(em, INSERT, [
      creation.name,
      creation.pool,
      creation.capacity,
      creation.priority,
      creation.step_s,
      creation.max_depth,
      creation.policy,
      creation.reserve_after_s,
      creation.strict_priority,
      creation.rate_limit && JSON.stringify(storedRate(creation.rate_limit)),
      creation.fairness,
      creation.sla_id,
    ]);
    if (made.length === 0) throw new EngineError('conflict', `queue "${creation.name}": exists already`);
    const queue = (await findQueue(em, creation.name)) as Queue;
    return { before: null, after: queue, result: queue };
  });
}

const INSERT = `insert into queues (name, pool, capacity, priority, step_s, max_depth, policy, reserve_after_s, strict_priority, rate_limit, fairness, sla_id)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12)
  on conflict do nothing returning name`;

async function refuseMissingPool(em: Em, pool: string): Promise<void> {
  const found = await query(em, 'select 1 from pools where name = $1 for key share', [pool]);
  if (found.length > 0) return;
  const detail = `pool "${pool}": there is none`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: '/pool', detail }] });
}
