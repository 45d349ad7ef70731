import type { Candidate } from '../core/admission-state.ts';
import { type Em, query } from '../entities/sql.ts';
import { CANDIDATE, type CandidateRow, COLUMNS, candidateOf, type Line, RUN_TIMES, type Waiting } from './snapshot.ts';

/**
 * A queue that is read behind the task `last`. `old_before`: a task that is eligible since then (milliseconds) counts even if it does not fit, for room might be
 * kept for it; null: it does not.
 */
export type LineBehind = Line & { last: Pick<Candidate, 'vtime' | 'uuid'>; old_before: number | null };

/** `most`: rows of each queue; `walk`: tasks of each queue among which they are looked for. */
export type Reach = { most: number; walk: number };

/** The reach is part of the text: one plan for any reach would have to be a careful one, so each call would be planned anew. */
const fittingBehindOf = ({ most, walk }: Reach): string => `
select ${CANDIDATE} from jsonb_to_recordset($1::jsonb) as l(queue text, cpu float8, memory float8, vtime float8, uuid uuid, old_before float8), lateral (
  select * from (
    select ${COLUMNS} from tasks t where t.status = 'queued' and not t.parked and not t.throttled and t.queue = l.queue
      and (t.vtime, t.uuid) > (to_timestamp(l.vtime / 1000)::timestamptz(3), l.uuid)
    order by t.vtime, t.uuid limit ${walk}) t
  where (t.cpu <= l.cpu::numeric and t.memory_mb <= l.memory::int8) or t.eligible_at <= to_timestamp(l.old_before / 1000)
  order by t.vtime, t.uuid limit ${most}) t ${RUN_TIMES} order by t.vtime, t.uuid`;

const rowOf = ({ queue, gap, last, old_before }: LineBehind) => ({
  queue,
  cpu: gap.cpu_milli / 1000,
  memory: gap.memory_mb,
  ...{ vtime: last.vtime, uuid: last.uuid, old_before },
});

/** The next tasks of each line that need no more than its gap, in their order, and those that are old. */
export async function fittingBehind(em: Em, lines: readonly LineBehind[], reach: Reach): Promise<Waiting[]> {
  return (await query<CandidateRow>(em, fittingBehindOf(reach), [JSON.stringify(lines.map(rowOf))])).map(candidateOf);
}
