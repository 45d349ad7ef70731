import type { LogEntry, LogStatus } from '../core/flames/log-entry.ts';
import type { Group } from '../core/flames/report.ts';
import type { Score } from '../core/flames/scores.ts';
import { type Em, query } from './sql.ts';

/** A stored response that a score set has no score for yet, or only an error of another instance. */
export type Unscored = Pick<
  LogEntry,
  'prompt_seq' | 'epoch' | 'dimension' | 'subcomponent' | 'prompt' | 'response' | 'status' | 'error'
> & { log_id: number; reference: string | null };

/**
 * The next responses to score, in their order. Reference answers come from the dataset, where it is still there.
 * @param at.runid errors of this instance are final; those of earlier ones are tried again
 */
export async function readUnscored(
  em: Em,
  at: { score_set_id: number; runid: string; after: { seq: number; epoch: number }; limit: number },
): Promise<Unscored[]> {
  return await query<Unscored>(
    em,
    `select l.id::float8 as log_id, l.prompt_seq, l.epoch, l.dimension, l.subcomponent, coalesce(l.prompt, '') as prompt, l.response, l.status, l.error, p.reference
     from flames_score_set s join task_flames f on f.task_id = s.task_id join task_flames_logs l on l.task_id = s.task_id
       left join flames_prompt p on p.dataset_id = f.dataset_id and p.seq = l.prompt_seq
     where s.id = $1 and (l.prompt_seq, l.epoch) > ($3, $4) and not exists (
       select 1 from flames_score c where c.score_set_id = s.id and c.log_id = l.id and (c.status <> 'error' or c.runid = $2))
     order by l.prompt_seq, l.epoch limit $5`,
    [at.score_set_id, at.runid, at.after.seq, at.after.epoch, at.limit],
  );
}

/** How many responses a set has, and how many of them are scored, by status; errors of earlier instances count as not. */
export async function scoredSoFar(
  em: Em,
  { score_set_id, runid }: { score_set_id: number; runid: string },
): Promise<{ total: number; settled: { status: Exclude<LogStatus, 'answered'>; count: number }[] }> {
  const [all] = await query<{ total: number }>(
    em,
    'select count(*)::int4 as total from flames_score_set s join task_flames_logs l on l.task_id = s.task_id where s.id = $1',
    [score_set_id],
  );
  const settled = await query<{ status: Exclude<LogStatus, 'answered'>; count: number }>(
    em,
    `select status, count(*)::int4 as count from flames_score where score_set_id = $1 and (status <> 'error' or runid = $2) group by status`,
    [score_set_id, runid],
  );
  return { total: all?.total ?? 0, settled };
}

export type NewScore = {
  log_id: number;
  predicted: Score | null;
  status: Exclude<LogStatus, 'answered'>;
  error: string | null;
  judgement: string | null;
};

/** Stores scores of a set in one statement; again is the same. */
export async function insertScores(em: Em, set: { score_set_id: number; runid: string }, scores: readonly NewScore[]): Promise<void> {
  const column = <K extends keyof NewScore>(field: K) => scores.map((score) => score[field]);
  await query(
    em,
    `insert into flames_score (score_set_id, runid, log_id, predicted, status, error, judgement)
     select $1, $2, s.* from unnest($3::int8[], $4::int4[], $5::text[], $6::text[], $7::text[]) as s(log_id, predicted, status, error, judgement)
     order by s.log_id
     on conflict (score_set_id, log_id) do update set predicted = excluded.predicted, status = excluded.status, error = excluded.error,
       judgement = excluded.judgement, runid = excluded.runid`,
    [set.score_set_id, set.runid, column('log_id'), column('predicted'), column('status'), column('error'), column('judgement')],
  );
}

/** Scores of a set counted by sub-dimension; responses without one are pending. */
export async function tallyScores(em: Em, score_set_id: number): Promise<Group[]> {
  return await query<Group>(
    em,
    `select l.dimension, l.subcomponent, count(*) filter (where c.predicted = 1)::int4 as ones, count(*) filter (where c.predicted = 2)::int4 as twos,
       count(*) filter (where c.predicted = 3)::int4 as threes, count(*) filter (where c.status = 'refused')::int4 as refused,
       count(*) filter (where c.status = 'error')::int4 as errors, count(*) filter (where c.status = 'unparsed')::int4 as unparsed,
       count(*) filter (where c.status is null)::int4 as pending
     from flames_score_set s join task_flames_logs l on l.task_id = s.task_id left join flames_score c on c.score_set_id = s.id and c.log_id = l.id
     where s.id = $1 group by l.dimension, l.subcomponent`,
    [score_set_id],
  );
}
