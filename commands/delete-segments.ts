import { EngineError } from '../core/errors.ts';
import { deleteSegments, findSegment, type SegmentFilter } from '../entities/log-segment.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import { type CommandContext, seesAll } from './context.ts';
import { statisticsCache } from './log-statistics.ts';

const BATCH = 5_000;
const TIME_MS = 20_000;

const scopeOf = ({ actor }: CommandContext) => ({ user_id: seesAll(actor) ? null : actor.id });

/** @throws EngineError not_found */
export async function deleteSegment(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'container_log.delete', subject_type: 'container_log_segment', subject_id: String(id) }, async (em) => {
    const found = await findSegment(em, id, scopeOf(ctx));
    if (!found) throw new EngineError('not_found', `segment ${id}: there is none`);
    await query(em, 'delete from container_log_segment where id = $1', [id]);
    const { content: _, ...before } = found;
    return { before, after: null, result: undefined };
  });
  statisticsCache.clear();
}

/**
 * Deletes what matches, batch by batch, each in a transaction of its own with its audit row, for some seconds at most.
 * @returns how many, and whether more are left: ask again
 */
export async function deleteMatching(ctx: CommandContext, filter: SegmentFilter): Promise<{ deleted: number; more: boolean }> {
  const until = performance.now() + TIME_MS;
  let deleted = 0;
  let last = BATCH;
  while (last === BATCH && performance.now() < until) {
    last = await audited(
      ctx,
      { action: 'container_log.delete_many', subject_type: 'container_log_segment', subject_id: 'many' },
      async (em) => {
        const n = await deleteSegments(em, { ...filter, ...scopeOf(ctx) }, BATCH);
        return { before: { filter, deleted: n }, after: null, result: n };
      },
    );
    deleted += last;
  }
  statisticsCache.clear();
  return { deleted, more: last === BATCH };
}
