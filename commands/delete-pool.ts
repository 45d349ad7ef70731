import { EngineError } from '../core/errors.ts';
import { findPool } from '../entities/pool.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRowToDelete } from './lock-row.ts';

type Uses = { queues: string[]; workers: string[]; grants: boolean };

/**
 * Removes a pool without queues, workers and history.
 * @throws EngineError not_found; conflict: says what still refers to it
 */
export async function deletePool(ctx: CommandContext, name: string): Promise<void> {
  await audited(ctx, { action: 'pool.delete', subject_type: 'pool', subject_id: name }, async (em) => {
    await lockRowToDelete(em, 'pools', name);
    const before = await findPool(em, name);
    const [uses] = await query<Uses>(em, USES, [name]);
    if (uses) refuseUsed(name, uses);
    await query(em, 'delete from pools where name = $1', [name]);
    return { before, after: null, result: undefined };
  });
}

const USES = `select array(select name from queues where pool = $1 order by 1 limit 5) as queues,
  array(select id from workers where pool = $1 order by 1 limit 5) as workers, exists (select 1 from grants where pool = $1) as grants`;

function refuseUsed(name: string, { queues, workers, grants }: Uses): void {
  const refused = (why: string) => new EngineError('conflict', `pool "${name}": cannot be deleted, ${why}`);
  if (queues.length > 0) throw refused(`it has queues: ${queues.join(', ')}`);
  if (workers.length > 0) throw refused(`it has workers: ${workers.join(', ')}`);
  if (grants) throw refused('instances that ended refer to it; drain it instead');
}
