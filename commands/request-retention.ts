import { cutoffsOf, RETAINED, type RetentionPolicy } from '../core/retention.ts';
import { findRetentionRun } from '../entities/retention-run.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { RetentionRun } from '../schemas/retention.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext } from './context.ts';
import { countOld } from './retention-steps.ts';

/** Counting reads whole indexes of large tables. */
const COUNT_LIMIT = '5min';

/** Asks the dispatchers for a run; while one waits to begin, that one is meant. */
export async function requestRetention(ctx: CommandContext): Promise<RetentionRun> {
  return await audited(ctx, { action: 'retention.request', subject_type: 'retention_run', subject_id: null }, async (em) => {
    const rows = await query<{ id: number }>(
      em,
      `insert into retention_runs (trigger, requested_by) values ('request', $1)
       on conflict (trigger) where status = 'requested' and trigger = 'request' do update set updated_at = now() returning id::float8 as id`,
      [actorName(ctx.actor)],
    );
    const id = rows[0]?.id ?? 0;
    const run = (await findRetentionRun(em, id)) as RetentionRun;
    return { before: null, after: { status: run.status }, result: run, subject_id: String(id) };
  });
}

/** What a run would remove now, counted in one snapshot; nothing is written. */
export async function previewRetention(ctx: CommandContext, policy: RetentionPolicy): Promise<RetentionRun> {
  const now = new Date();
  const cutoffs = cutoffsOf(policy, now);
  const removed: Record<string, number> = {};
  await ctx.em.transactional(
    async (tx) => {
      await query(tx as Em, `set local statement_timeout = '${COUNT_LIMIT}'`);
      for (const table of RETAINED) removed[table] = await countOld(tx as Em, table, cutoffs);
    },
    { isolationLevel: 'repeatable read' as never, readOnly: true },
  );
  const [as_of, finished_at] = [now.toISOString(), new Date().toISOString()];
  const times = { as_of, scheduled_for: null, started_at: as_of, finished_at, created_at: as_of };
  return {
    id: null,
    dry_run: true,
    trigger: 'request',
    status: 'completed',
    requested_by: actorName(ctx.actor),
    removed,
    error: null,
    ...times,
  };
}
