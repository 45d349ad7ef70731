import type { Candidate } from '../core/admission-state.ts';
import { type Em, query } from '../entities/sql.ts';
import { CANDIDATE, type CandidateRow, COLUMNS, candidateOf, LINES, type Line, lineColumns, RUN_TIMES, type Waiting } from './snapshot.ts';

/**
 * A queue that is read behind the task `last`. `old_before`: a task that is eligible since then (milliseconds) counts even if it does not fit, for room might be
 * kept for it; null: it does not.
 */
export type LineBehind = Line & { last: Pick<Candidate, 'vtime' | 'uuid'>; old_before: number | null };

/** `most`: rows of each queue; `walk`: tasks of each queue among which they are looked for. */
export type Reach = { most: number; walk: number };

const FITTING_BEHIND = `
select ${CANDIDATE} from (
  select l.*, b.vtime, b.uuid, b.old_before from ${LINES}
  join unnest($5::text[], $6::float8[], $7::uuid[], $8::float8[]) as b(queue, vtime, uuid, old_before) on b.queue = l.queue) l,
lateral (
  select * from (
    select ${COLUMNS} from tasks t where t.status = 'queued' and not t.parked and not t.throttled and t.queue = l.queue
      and (t.vtime, t.uuid) > (to_timestamp(l.vtime / 1000)::timestamptz(3), l.uuid)
    order by t.vtime, t.uuid limit $9) t
  where (t.cpu <= l.cpu::numeric and t.memory_mb <= l.memory::int8) or extract(epoch from t.eligible_at)::float8 * 1000 <= l.old_before
  order by t.vtime, t.uuid limit $10) t ${RUN_TIMES} order by t.vtime, t.uuid`;

/** The next tasks of each line that need no more than its gap, in their order, and those that are old. */
export async function fittingBehind(em: Em, lines: readonly LineBehind[], { most, walk }: Reach): Promise<Waiting[]> {
  const column = <T>(pick: (line: LineBehind) => T): T[] => lines.map(pick);
  const rows = await query<CandidateRow>(em, FITTING_BEHIND, [
    ...lineColumns(lines),
    column(({ queue }) => queue),
    column(({ last }) => last.vtime),
    column(({ last }) => last.uuid),
    column(({ old_before }) => old_before),
    walk,
    most,
  ]);
  return rows.map(candidateOf);
}
