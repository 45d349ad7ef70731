import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';

/** Which execution of which instance says that it is the owner. */
export type Owner = { runid: string; execution: number };

/**
 * Runs `work` in a transaction that holds the instance's row against a change of hands, so what it writes is written by the owner or not at all. The
 * task is locked first, as everywhere, so its row may be written too. Keep it short: heartbeats and the instance's end wait for it.
 * @throws EngineError superseded: another execution owns the instance, or it is final
 */
export async function fenced<T>(em: Em, { runid, execution }: Owner, work: (em: Em) => Promise<T>): Promise<T> {
  return await em.transactional(async (tx) => {
    const rows = await query(tx as Em, OWNED, [runid, execution]);
    if (rows.length === 0) throw new EngineError('superseded', `instance ${runid}: execution ${execution} does not own it any more`);
    return await work(tx as Em);
  });
}

const OWNED = `
with t as materialized (
  select uuid from tasks where uuid = (select task_id from instances where runid = $1) for no key update)
select 1 from t join instances i on i.task_id = t.uuid where i.runid = $1 and i.lease_epoch = $2 and i.status = 'running' for share of i`;
