import { copyOut } from './copy-out.ts';
import { type Em, query } from './sql.ts';

/** The fields of a downloaded row, in order. */
export const LOG_COLUMNS = [
  'task_id',
  'prompt_seq',
  'epoch',
  'dimension',
  'subcomponent',
  'prompt',
  'response',
  'predicted',
  'status',
  'error',
  'judgement',
  'scorer',
  'attempts',
  'latency_ms',
  'prompt_tokens',
  'completion_tokens',
  'cached',
  'created_at',
] as const;
export type LogColumn = (typeof LOG_COLUMNS)[number];

/** `score_set` null: with the run's own scores; `dimension` null: of all. */
export type CopySelection = { task_id: string; score_set: number | null; dimension: string | null };
type Place = { seq: number; epoch: number };

const PAGE_ROWS = 1_000;
const PAGE_BYTES = 524_288;

/** Where a page ends that begins behind ($2, $3): after so many rows, or so much text; a single row may be larger. */
const END_OF_PAGE = `
with next as (
  select prompt_seq, epoch, octet_length(coalesce(response, '')) + octet_length(coalesce(judgement, '')) as bytes from task_flames_logs
  where task_id = $1 and (prompt_seq, epoch) > ($2, $3) and ($4::text is null or dimension = $4) order by prompt_seq, epoch limit ${PAGE_ROWS})
select prompt_seq as seq, epoch from (select prompt_seq, epoch, bytes, sum(bytes) over (order by prompt_seq, epoch) as so_far from next) n
where so_far - bytes < ${PAGE_BYTES} order by prompt_seq desc, epoch desc limit 1`;

const setting = (name: string): string => `current_setting('orchestrator.${name}')`;
const number = (name: string): string => `${setting(name)}::int4`;

/** As entities/task-flames-log.queries.ts has it. */
const scored = (column: 'predicted' | 'status' | 'error' | 'judgement'): string => {
  const own = column === 'status' ? `coalesce(c.status, 'answered')` : `c.${column}`;
  return `case when ${setting('score_set')} = '' then l.${column} else ${own} end as ${column}`;
};

const ROWS = `
select l.task_id, l.prompt_seq, l.epoch, l.dimension, l.subcomponent, l.prompt, l.response, ${scored('predicted')}, ${scored('status')}, ${scored('error')},
  ${scored('judgement')}, case when ${setting('score_set')} = '' then l.scorer else (select s.scorer from flames_score_set s where s.id = c.score_set_id) end as scorer,
  l.attempts, l.latency_ms, l.prompt_tokens, l.completion_tokens, l.cached,
  to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at
from task_flames_logs l left join flames_score c on c.log_id = l.id and c.score_set_id = nullif(${setting('score_set')}, '')::int4
where l.task_id = ${setting('task_id')} and (l.prompt_seq, l.epoch) > (${number('from_seq')}, ${number('from_epoch')})
  and (l.prompt_seq, l.epoch) <= (${number('to_seq')}, ${number('to_epoch')})
  and (${setting('dimension')} = '' or l.dimension = ${setting('dimension')})
order by l.prompt_seq, l.epoch`;

/** JSON has neither of these characters in it, so that no line is quoted. */
const NDJSON = `copy (select row_to_json(r) from (${ROWS}) r) to stdout (format csv, quote e'\\x01', escape e'\\x01', delimiter e'\\x02')`;

const TEXTS: readonly LogColumn[] = ['dimension', 'subcomponent', 'prompt', 'response', 'error', 'judgement'];

/** A text that a spreadsheet would take for a formula gets an apostrophe, as api/csv-lines.ts does it; booleans are words. */
const cell = (column: LogColumn): string => {
  if (TEXTS.includes(column)) return String.raw`regexp_replace(r.${column}, '^([=+@\t\r＝＋－＠-])', '''\1') as ${column}`;
  return column === 'cached' ? `r.cached::text as cached` : `r.${column}`;
};
const CSV = `copy (select ${LOG_COLUMNS.map(cell).join(', ')} from (${ROWS}) r) to stdout (format csv)`;

/** The rows of a run as lines of JSON, or as CSV without a header, a page at a time, as bytes that PostgreSQL wrote: so little memory is used whatever they hold. */
export async function* copyLogs(em: Em, form: 'ndjson' | 'csv', { task_id, score_set, dimension }: CopySelection): AsyncGenerator<Buffer> {
  let from: Place = { seq: 0, epoch: 0 };
  for (;;) {
    const [to] = await query<Place>(em, END_OF_PAGE, [task_id, from.seq, from.epoch, dimension]);
    if (!to) return;
    const range = { from_seq: String(from.seq), from_epoch: String(from.epoch), to_seq: String(to.seq), to_epoch: String(to.epoch) };
    const chosen = { task_id, score_set: score_set === null ? '' : String(score_set), dimension: dimension ?? '' };
    yield* await copyOut(em, form === 'csv' ? CSV : NDJSON, { ...chosen, ...range });
    from = to;
  }
}
