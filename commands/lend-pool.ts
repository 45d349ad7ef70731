import { findPool } from '../entities/pool.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';
import { writeAudit } from './write-audit.ts';

/** Cores and MB on top of a pool's total, for a time. */
export type Loan = { pool: string; cpu: number; memory_mb: number; for_s: number; reason: string };

/**
 * Adds room to a pool for a time, beside its total, which stays as it is.
 * @throws EngineError not_found
 */
export async function lendPool(ctx: CommandContext, { pool, cpu, memory_mb, for_s, reason }: Loan): Promise<void> {
  await audited(ctx, { action: 'pool.lend', subject_type: 'pool', subject_id: pool }, async (em) => {
    await lockRow(em, 'pools', pool);
    const before = await findPool(em, pool);
    await query(em, LEND, [pool, cpu, memory_mb, for_s, actorName(ctx.actor), reason]);
    await sumUp(em, pool);
    return { before, after: await findPool(em, pool), result: undefined };
  });
}

const LEND = `insert into pool_resizes (pool, cpu, memory_mb, until_at, actor, reason)
  values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4), $5, $6)`;

/** What is on top is the sum of what lives; the caller holds the pool's lock. */
const sumUp = async (em: Em, pool: string): Promise<void> => void (await query(em, SUM, [pool]));

const SUM = `update pools set extra_cpu = n.cpu, extra_memory = n.memory
  from (select coalesce(sum(cpu), 0) as cpu, coalesce(sum(memory_mb), 0) as memory from pool_resizes where pool = $1 and ended_at is null) n where name = $1`;

/** Takes back what was lent for a time that is over. Running work ends as after a lowered total. @returns how many pools */
export async function takeBackLoans(em: Em): Promise<number> {
  const due = await query<{ pool: string }>(
    em,
    'select distinct pool from pool_resizes where ended_at is null and until_at <= clock_timestamp() order by pool',
  );
  for (const { pool } of due) await em.transactional(async (tx) => await takeBack(tx as Em, pool));
  return due.length;
}

async function takeBack(em: Em, pool: string): Promise<void> {
  await lockRow(em, 'pools', pool);
  const ended = await query<{ actor: string }>(em, END, [pool]);
  if (ended.length === 0) return;
  const before = await findPool(em, pool);
  await sumUp(em, pool);
  const after = await findPool(em, pool);
  await writeAudit(em, {
    actor: ended[0]?.actor ?? 'dispatcher',
    action: 'pool.take_back',
    subject_type: 'pool',
    subject_id: pool,
    before,
    after,
    request_id: null,
  });
}

const END = `update pool_resizes set ended_at = clock_timestamp() where pool = $1 and ended_at is null and until_at <= clock_timestamp() returning actor`;
