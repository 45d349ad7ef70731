import { EngineError } from '../core/errors.ts';
import { findQueue } from '../entities/queue.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Holds an active queue for a time; it goes on by itself unless somebody changes its status before.
 * @throws EngineError not_found; conflict: it is not active
 */
export async function holdQueueFor(ctx: CommandContext, { name, for_s }: { name: string; for_s: number }): Promise<void> {
  await audited(ctx, { action: 'queue.hold', subject_type: 'queue', subject_id: name }, async (em) => {
    await lockRow(em, 'queues', name);
    const before = await findQueue(em, name);
    if (before?.status !== 'active') throw new EngineError('conflict', `queue "${name}": is not active but on ${before?.status}`);
    await query(em, HOLD, [name, for_s, actorName(ctx.actor)]);
    return { before, after: await findQueue(em, name), result: undefined };
  });
}

const HOLD = `update queues set status = 'hold', resume_at = clock_timestamp() + make_interval(secs => $2), held_by = $3 where name = $1`;
