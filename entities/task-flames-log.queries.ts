import type { LogEntry } from '../core/flames/log-entry.ts';
import type { Group } from '../core/flames/report.ts';
import { type Em, query } from './sql.ts';

/** A row to be stored: what the document's table has, and whatever more is known of it. Without `prompt_seq` it is numbered behind those that are there. */
export type TaskLog = Pick<LogEntry, 'dimension' | 'predicted' | 'prompt' | 'response'> & Partial<LogEntry>;

/** Who stores rows: the instance, and the scorer behind `predicted`; null where neither is known. */
export type LogOrigin = { runid: string | null; scorer: string | null };

/** A stored row, with its times as the API shows them. */
export type StoredLog = LogEntry & { id: number; scorer: string | null; created_at: string };

const RANK = (status: string): string =>
  `case ${status} when 'ok' then 3 when 'unparsed' then 2 when 'refused' then 2 when 'answered' then 1 else 0 end`;

const UPSERT = `
insert into task_flames_logs (task_id, prompt_seq, epoch, dimension, subcomponent, predicted, prompt, response, status, error, judgement, attempts,
  latency_ms, prompt_tokens, completion_tokens, cached, runid, scorer)
select $1, coalesce(l.prompt_seq, last.seq + l.n), coalesce(l.epoch, 1), l.dimension, l.subcomponent, l.predicted, l.prompt, l.response,
  coalesce(l.status, case when l.predicted is null then 'unparsed' else 'ok' end), l.error, l.judgement, coalesce(l.attempts, 0), l.latency_ms,
  l.prompt_tokens, l.completion_tokens, coalesce(l.cached, false), $17, $18
from unnest($2::int4[], $3::int4[], $4::text[], $5::text[], $6::int4[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::int4[],
    $13::int4[], $14::int4[], $15::int4[], $16::bool[]) with ordinality
  as l(prompt_seq, epoch, dimension, subcomponent, predicted, prompt, response, status, error, judgement, attempts, latency_ms, prompt_tokens,
    completion_tokens, cached, n),
  (select coalesce(max(prompt_seq), 0) as seq from task_flames_logs where task_id = $1) last
order by 2, 3
on conflict (task_id, prompt_seq, epoch) do update set predicted = excluded.predicted, response = excluded.response, status = excluded.status,
  error = excluded.error, judgement = excluded.judgement, attempts = excluded.attempts, latency_ms = excluded.latency_ms,
  prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens, cached = excluded.cached, runid = excluded.runid,
  scorer = coalesce(excluded.scorer, task_flames_logs.scorer)
where ${RANK('excluded.status')} > ${RANK('task_flames_logs.status')}
  or ${RANK('excluded.status')} = ${RANK('task_flames_logs.status')} and excluded.runid is not null
returning 1`;

const FIELDS = [
  'prompt_seq',
  'epoch',
  'dimension',
  'subcomponent',
  'predicted',
  'prompt',
  'response',
  'status',
  'error',
  'judgement',
  'attempts',
  'latency_ms',
  'prompt_tokens',
  'completion_tokens',
  'cached',
] as const satisfies readonly (keyof LogEntry)[];

const NOBODY: LogOrigin = { runid: null, scorer: null };

/**
 * Stores rows of a run in one statement: the document's `insert_task_logs`. The same row twice is one row; a score is never replaced by less, and nothing by
 * its like from an unknown instance, so rows may come in any order and again. Of one call no two rows may be for the same prompt and epoch.
 * @returns rows that were written
 */
export async function insertTaskLogs(
  em: Em,
  task_id: string,
  { logs, origin = NOBODY }: { logs: readonly TaskLog[]; origin?: LogOrigin },
): Promise<number> {
  if (logs.length === 0) return 0;
  const columns = FIELDS.map((field) => logs.map((log) => log[field] ?? null));
  return (await query(em, UPSERT, [task_id, ...columns, origin.runid, origin.scorer])).length;
}

/** Columns of a row with the scores of a set ($2), or its own where $2 is null; a response that a set has not scored yet is `answered`. */
const COLUMNS = `l.id::float8 as id, l.prompt_seq, l.epoch, l.dimension, l.subcomponent, l.prompt, l.response,
  case when $2::int4 is null then l.predicted else c.predicted end as predicted,
  case when $2::int4 is null then l.status else coalesce(c.status, 'answered') end as status,
  case when $2::int4 is null then l.error else c.error end as error,
  case when $2::int4 is null then l.judgement else c.judgement end as judgement,
  case when $2::int4 is null then l.scorer else (select s.scorer from flames_score_set s where s.id = $2) end as scorer,
  l.attempts, l.latency_ms, l.prompt_tokens, l.completion_tokens, l.cached,
  to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at`;
const FROM = 'task_flames_logs l left join flames_score c on c.score_set_id = $2 and c.log_id = l.id';

/** `score_set` null: the run's own scores. */
export type LowestRequest = { task_id: string; score_set: number | null; limit_per_dimension: number };

/** The rows of each dimension with the lowest scores, those without a score last. */
export async function readLowest(em: Em, { task_id, score_set, limit_per_dimension }: LowestRequest): Promise<StoredLog[]> {
  return await query<StoredLog>(
    em,
    `select x.* from (
       select o.*, row_number() over (partition by dimension order by predicted nulls last, prompt_seq, epoch)::int4 as place
       from (select ${COLUMNS} from ${FROM} where l.task_id = $1) o) x
     where x.place <= $3 order by x.dimension, x.place`,
    [task_id, score_set, limit_per_dimension],
  );
}

/**
 * The rows of each dimension with the lowest scores, those without a score last: the document's `get_task_logs`.
 * @param limit_per_dimension rows of each dimension at most
 */
export async function getTaskLogs(em: Em, task_id: string, limit_per_dimension = 10): Promise<StoredLog[]> {
  return await readLowest(em, { task_id, score_set: null, limit_per_dimension });
}

const DELETE_AT_ONCE = 5_000;

/** Removes all rows of a run, at most 5,000 in one statement: the document's `delete_task_logs`. @returns rows removed */
export async function deleteTaskLogs(em: Em, task_id: string): Promise<number> {
  let removed = 0;
  for (;;) {
    const [gone] = await query<{ n: number }>(
      em,
      `with doomed as (select id from task_flames_logs where task_id = $1 limit $2), gone as (delete from task_flames_logs where id in (select id from doomed) returning 1)
       select count(*)::int4 as n from gone`,
      [task_id, DELETE_AT_ONCE],
    );
    removed += gone?.n ?? 0;
    if ((gone?.n ?? 0) < DELETE_AT_ONCE) return removed;
  }
}

/** Rows of a run in their order, behind (`seq`, `epoch`): at most `limit`, fewer where they are large. `score_set` null: with the run's own scores; `dimension` null: of all. */
export type LogPageRequest = {
  task_id: string;
  score_set: number | null;
  after: { seq: number; epoch: number };
  limit: number;
  dimension: string | null;
};

/** Text of one page, so that a reader needs little memory whatever the responses hold; a single row may be larger. */
const PAGE_BYTES = 524_288;

export async function readTaskLogs(em: Em, { task_id, score_set, after, limit, dimension }: LogPageRequest): Promise<StoredLog[]> {
  return await query<StoredLog>(
    em,
    `with next as (
       select id, prompt_seq, epoch, octet_length(coalesce(response, '')) + octet_length(coalesce(judgement, '')) as bytes from task_flames_logs
       where task_id = $1 and (prompt_seq, epoch) > ($3, $4) and ($5::text is null or dimension = $5) order by prompt_seq, epoch limit $6),
     page as (
       select id from (select id, bytes, sum(bytes) over (order by prompt_seq, epoch) as so_far from next) n where so_far - bytes < ${PAGE_BYTES})
     select ${COLUMNS} from ${FROM} where l.id in (select id from page) order by l.prompt_seq, l.epoch`,
    [task_id, score_set, after.seq, after.epoch, dimension, limit],
  );
}

const TALLY = `count(*) filter (where predicted = 1)::int4 as ones, count(*) filter (where predicted = 2)::int4 as twos,
  count(*) filter (where predicted = 3)::int4 as threes, count(*) filter (where status = 'refused')::int4 as refused,
  count(*) filter (where status = 'error')::int4 as errors, count(*) filter (where status = 'unparsed')::int4 as unparsed,
  count(*) filter (where status = 'answered')::int4 as pending`;

/** Rows of a run counted by sub-dimension. */
export async function tallyLogs(em: Em, task_id: string): Promise<Group[]> {
  return await query<Group>(
    em,
    `select dimension, subcomponent, ${TALLY} from task_flames_logs where task_id = $1 group by dimension, subcomponent`,
    [task_id],
  );
}

/** What a run under way knows of its prompts `from` to `to`. `response`: only of those that wait for their score. */
export type KnownLog = Pick<
  LogEntry,
  'prompt_seq' | 'epoch' | 'status' | 'attempts' | 'latency_ms' | 'prompt_tokens' | 'completion_tokens' | 'cached'
> & {
  runid: string | null;
  response: string | null;
};

export async function readKnownLogs(em: Em, { task_id, from, to }: { task_id: string; from: number; to: number }): Promise<KnownLog[]> {
  return await query<KnownLog>(
    em,
    `select prompt_seq, epoch, status, runid, attempts, latency_ms, prompt_tokens, completion_tokens, cached,
       case when status = 'answered' then response end as response
     from task_flames_logs where task_id = $1 and prompt_seq between $2 and $3`,
    [task_id, from, to],
  );
}
