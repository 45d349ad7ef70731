import { findPool } from '../entities/pool.queries.ts';
import { Pool as PoolEntity } from '../entities/pool.ts';
import type { Pool, PoolChange } from '../schemas/pool.ts';
import { audited } from './audited.ts';
import { checkBinding, withSla } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Changes a pool's totals or its status. Totals below what is reserved let running work finish and admit nothing until it fits.
 * @throws EngineError not_found
 */
export async function changePool(ctx: CommandContext, name: string, change: PoolChange | { status: Pool['status'] }): Promise<Pool> {
  const action = 'status' in change ? `pool.${change.status}` : 'pool.change';
  return await audited(ctx, { action, subject_type: 'pool', subject_id: name }, async (em) => {
    await lockRow(em, 'pools', name);
    const before = await findPool(em, name);
    await checkBinding({ em, actor: ctx.actor }, { ...change, scope: 'pool' });
    await em.nativeUpdate(PoolEntity, { name }, withSla(change));
    const pool = (await findPool(em, name)) as Pool;
    return { before, after: pool, result: pool };
  });
}
