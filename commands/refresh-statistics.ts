import type { Em } from '../entities/sql.ts';
import { firstUnsettledDay, sealDays, storeStatistics } from '../entities/statistic.queries.ts';
import { actorName, type CommandContext } from './context.ts';
import { writeAudit } from './write-audit.ts';

const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

/** Stores the statistics of all days that may have changed, today included. @returns days stored */
export async function refreshStatistics(em: Em, now: Date): Promise<number> {
  const today = dayOf(now);
  return await storeStatistics(em, { from: (await firstUnsettledDay(em)) ?? today, to: today });
}

/** To be called before tasks are removed that ended before `before`: their days are counted a last time, and then never again. */
export async function sealStatistics(em: Em, before: Date): Promise<void> {
  const from = await firstUnsettledDay(em);
  if (from !== null) await storeStatistics(em, { from, to: dayOf(before) });
  await sealDays(em, before);
}

/** Counts a range of days anew because somebody asks for it. @returns days stored; sealed ones are not */
export async function recomputeStatistics(ctx: CommandContext, range: { from: string; to: string }): Promise<number> {
  return await ctx.em.transactional(async (tx) => {
    const stored = await storeStatistics(tx as Em, range);
    await writeAudit(tx as Em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'statistics.recompute',
      subject_type: 'statistics',
      subject_id: `${range.from}/${range.to}`,
      after: { stored },
    });
    return stored;
  });
}
