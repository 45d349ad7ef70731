import { type Em, query } from '../entities/sql.ts';

/** Tasks whose clocks one transaction settles. */
const BATCH = 200;

/**
 * Tells of every clock whose next stage has passed. Any number of processes may; each task is locked while it is dealt with, and whoever finds it locked leaves it.
 * @returns how many stages were due
 */
export async function sweepClocks(em: Em): Promise<number> {
  let total = 0;
  for (let n = BATCH; n > 0; total += n) {
    const [row] = await query<{ n: number }>(em, 'select sla_sweep($1) as n', [BATCH]);
    n = row?.n ?? 0;
  }
  return total;
}

/**
 * Puts right what a lock had kept from being paused, or from going on. It looks at every clock in a held queue or pool.
 * @returns how many tasks
 */
export async function repairPauses(em: Em): Promise<number> {
  return (await query<{ n: number }>(em, 'select sla_repair() as n'))[0]?.n ?? 0;
}

/**
 * Brings the clocks of tasks forward whose place in the line lets them end too late. One process at a time.
 * @returns how many; the next sweep tells of them
 */
export async function predictLateness(em: Em): Promise<number> {
  return (await query<{ n: number }>(em, 'select sla_predict() as n'))[0]?.n ?? 0;
}

/** Milliseconds until the next stage of any clock; null: none runs. */
export async function nextStageInMs(em: Em): Promise<number | null> {
  const sql = `select (extract(epoch from min(next_at) - clock_timestamp()) * 1000)::float8 as ms from sla_clocks where next_at is not null`;
  return (await query<{ ms: number | null }>(em, sql))[0]?.ms ?? null;
}
