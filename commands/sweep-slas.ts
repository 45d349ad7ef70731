import { type Em, query } from '../entities/sql.ts';

/** Tasks whose clocks one transaction settles. */
const BATCH = 200;

/** `told`: stages that were due; `next_in_ms`: until the next one of any clock is, negative where somebody has it locked, null: none runs. */
export type Swept = { told: number; next_in_ms: number | null };

/**
 * Tells of every clock whose next stage has passed. Any number of processes may; each task is locked while it is dealt with, and whoever finds it locked leaves it. Where
 * nothing much is due it is one round trip: it must not queue for connections behind the work that it causes.
 */
export async function sweepClocks(em: Em): Promise<Swept> {
  let told = 0;
  for (;;) {
    const [row] = await query<{ done: number; more: boolean; next_ms: number | null }>(em, 'select * from sla_sweep($1)', [BATCH]);
    told += row?.done ?? 0;
    if (!row?.more) return { told, next_in_ms: row?.next_ms ?? null };
  }
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
