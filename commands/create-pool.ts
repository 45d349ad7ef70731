import { EngineError } from '../core/errors.ts';
import { findPool } from '../entities/pool.queries.ts';
import { query } from '../entities/sql.ts';
import type { Pool, PoolCreation } from '../schemas/pool.ts';
import { audited } from './audited.ts';
import { checkBinding } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';

/**
 * Declares a pool; workers join it by name.
 * @throws EngineError conflict: the name is taken
 */
export async function createPool(ctx: CommandContext, creation: PoolCreation): Promise<Pool> {
  return await audited(ctx, { action: 'pool.create', subject_type: 'pool', subject_id: creation.name }, async (em) => {
    await checkBinding({ em, actor: ctx.actor }, { sla_id: creation.sla_id, scope: 'pool' });
    const sql = 'insert into pools (name, total_cpu, total_memory, sla_id) values ($1, $2, $3, $4) on conflict do nothing returning name';
    const made = await query(em, sql, [creation.name, creation.total_cpu, creation.total_memory, creation.sla_id]);
    if (made.length === 0) throw new EngineError('conflict', `pool "${creation.name}": exists already`);
    const pool = (await findPool(em, creation.name)) as Pool;
    return { before: null, after: pool, result: pool };
  });
}
