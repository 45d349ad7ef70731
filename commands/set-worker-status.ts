import { EngineError } from '../core/errors.ts';
import { query } from '../entities/sql.ts';
import { findWorker } from '../entities/worker.queries.ts';
import type { Worker } from '../schemas/worker.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/** `drain`: the worker finishes what it has and is given nothing new; `active`: it is given work again. */
export type WorkerOrder = { id: string; status: 'active' | 'drain'; lost_after_s: number };

/**
 * Drains a worker or takes that back.
 * @throws EngineError not_found; conflict: the worker is offline, so it decides for itself when it comes back
 */
export async function setWorkerStatus(ctx: CommandContext, order: WorkerOrder): Promise<Worker> {
  const action = order.status === 'drain' ? 'worker.drain' : 'worker.resume';
  return await audited(ctx, { action, subject_type: 'worker', subject_id: order.id }, async (em) => {
    await lockRow(em, 'workers', order.id);
    const before = await findWorker(em, order.id, order.lost_after_s);
    if (before?.status === 'offline') throw new EngineError('conflict', `worker "${order.id}": is offline; start it first`);
    await query(em, 'update workers set status = $2 where id = $1', [order.id, order.status]);
    const worker = (await findWorker(em, order.id, order.lost_after_s)) as Worker;
    return { before: { status: before?.status }, after: { status: worker.status }, result: worker };
  });
}
