import { findQueue } from '../entities/queue.queries.ts';
import { Queue as QueueEntity } from '../entities/queue.ts';
import type { Queue, QueueChange } from '../schemas/queue.ts';
import { storedRate } from '../schemas/rate-limit.ts';
import { audited } from './audited.ts';
import { checkBinding, withSla } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Changes a queue's limits or its status. A capacity below the load lets running work finish; a new `step_s` counts for tasks submitted later,
 * a rate limit and fairness for all that wait.
 * @throws EngineError not_found; invalid_input: no such SLA, or none for a queue
 */
export async function changeQueue(ctx: CommandContext, name: string, change: QueueChange | { status: Queue['status'] }): Promise<Queue> {
  const action = 'status' in change ? `queue.${change.status}` : 'queue.change';
  return await audited(ctx, { action, subject_type: 'queue', subject_id: name }, async (em) => {
    await lockRow(em, 'queues', name);
    const before = await findQueue(em, name);
    await checkBinding({ em, actor: ctx.actor }, { ...change, scope: 'queue' });
    const rate = 'rate_limit' in change && change.rate_limit ? { rate_limit: storedRate(change.rate_limit) } : {};
    await em.nativeUpdate(QueueEntity, { name }, { ...withSla(change), ...rate });
    const queue = (await findQueue(em, name)) as Queue;
    return { before, after: queue, result: queue };
  });
}
