import type { FlamesFigures } from '../core/flames/report.ts';
import type { FlamesRun, FlamesScoreSet, FlamesStatistics } from '../schemas/flames.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime, wireTimes } from './wire.ts';

const MACRO = (alias: string) => `(${alias}.result->'overall'->>'macro_rate')::float8 as macro_rate`;
const COLUMNS = `f.task_id, f.task_uuid as task, u.username as user, f.name, f.model, f.base_url, f.dataset_id, d.name || ' v' || d.version as dataset, f.scorer,
  f.status, f.total, f.done, f.failed, ${MACRO('f')}, f.logs, ${['submit_time', 'start_time', 'end_time'].map((c) => wireTime(`f.${c}`)).join(', ')},
  f.error, f.repair_error, ${wireTimes('f')}`;
const FROM = 'task_flames f left join users u on u.id = f.user_id left join flames_dataset d on d.id = f.dataset_id';

/** A run with what its readers need beyond what lists show. `result`: its figures, or what an old run had there. */
export type Run = FlamesRun & { params: Record<string, unknown>; result: Record<string, unknown> | null };

/** One run; null when there is none or it is somebody else's. Runs that belong to nobody are for those who see all. */
export async function findRun(em: Em, task_id: string, { user_id }: Scope): Promise<Run | null> {
  const sql = `select ${COLUMNS}, f.params, f.result from ${FROM} where f.task_id = $1 and ($2::int8 is null or f.user_id = $2)`;
  return (await query<Run>(em, sql, [task_id, user_id]))[0] ?? null;
}

/** The run over the same dataset that was submitted last before this one and came to its end; none or one. */
export async function runBefore(em: Em, { task_id, dataset_id }: Pick<Run, 'task_id' | 'dataset_id'>, { user_id }: Scope): Promise<Run[]> {
  const sql = `select ${COLUMNS}, f.params, f.result from ${FROM}
    where f.dataset_id = $1 and f.task_id <> $2 and f.submit_time <= (select submit_time from task_flames where task_id = $2)
      and f.status in ('completed', 'partial') and ($3::int8 is null or f.user_id = $3)
    order by f.submit_time desc, f.task_id desc limit 1`;
  return await query<Run>(em, sql, [dataset_id, task_id, user_id]);
}

export type RunFilter = { status?: string[]; logs?: string; model?: string; dataset_id?: number; user?: string };

/** Runs, last submitted first. */
export async function listRuns(em: Em, filter: RunFilter & Scope, page: PageRequest): Promise<Page<FlamesRun>> {
  const list = conditions();
  where(list, 'f.user_id = ?', filter.user_id);
  where(list, 'f.status = any(?::text[])', filter.status);
  where(list, 'f.logs = ?', filter.logs);
  where(list, 'f.model = ?', filter.model);
  where(list, 'f.dataset_id = ?', filter.dataset_id);
  where(list, 'u.username = ?', filter.user);
  const keys: Key[] = [
    { column: 'f.submit_time', kind: 'time' },
    { column: 'f.task_id', kind: 'text' },
  ];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-submit_time', keys }, page);
}

/** A score set with the figures it ended with. */
export type ScoreSet = FlamesScoreSet & { result: FlamesFigures | null };

const SET = `s.id, s.task_uuid as task, s.scorer, s.status, s.total, s.done, s.failed, ${MACRO('s')}, s.error,
  ${['submit_time', 'start_time', 'end_time'].map((c) => wireTime(`s.${c}`)).join(', ')}`;

/** The score sets of a run, oldest first; there are few. */
export async function listScoreSets(em: Em, task_id: string): Promise<FlamesScoreSet[]> {
  return await query<FlamesScoreSet>(em, `select ${SET} from flames_score_set s where s.task_id = $1 order by s.id`, [task_id]);
}

export async function findScoreSet(em: Em, task_id: string, id: number): Promise<ScoreSet | null> {
  const rows = await query<ScoreSet>(em, `select ${SET}, s.result from flames_score_set s where s.task_id = $1 and s.id = $2`, [
    task_id,
    id,
  ]);
  return rows[0] ?? null;
}

/** The score set that a task makes. */
export async function scoreSetOfTask(em: Em, task_uuid: string): Promise<{ id: number; task_id: string; total: number } | null> {
  const rows = await query<{ id: number; task_id: string; total: number }>(
    em,
    'select id, task_id, total from flames_score_set where task_uuid = $1',
    [task_uuid],
  );
  return rows[0] ?? null;
}

const SIZE = `
select greatest(0, c.reltuples)::float8 as rows, pg_table_size(c.oid)::float8 as table_bytes, pg_indexes_size(c.oid)::float8 as index_bytes,
  pg_total_relation_size(c.oid)::float8 as total_bytes
from pg_class c where c.oid = to_regclass('task_flames_logs')`;

const LARGEST = `
select f.task_id, f.name, f.status, ${wireTime('f.end_time')}, n.log_count from (
  select task_id, count(*)::int4 as log_count from task_flames_logs group by task_id order by count(*) desc, task_id limit $1) n
join task_flames f on f.task_id = n.task_id order by n.log_count desc, f.task_id`;

/** Size of the logs table, and the runs with the most rows. */
export async function readStatistics(em: Em, most: number): Promise<FlamesStatistics> {
  const [logs_table] = await query<FlamesStatistics['logs_table']>(em, SIZE);
  const runs = await query<FlamesStatistics['runs'][number]>(
    em,
    'select status, logs, count(*)::int4 as count from task_flames group by status, logs order by status, logs',
  );
  const [rest] = await query<{ waiting_for_repair: number; cached_answers: number }>(
    em,
    `select (select count(*)::int4 from task_flames where repair_at is not null) as waiting_for_repair,
       (select count(*)::int4 from flames_cache where expires_at > now()) as cached_answers`,
  );
  const largest = await query<FlamesStatistics['largest'][number]>(em, LARGEST, [most]);
  return {
    logs_table: logs_table ?? { rows: 0, table_bytes: 0, index_bytes: 0, total_bytes: 0 },
    runs,
    waiting_for_repair: rest?.waiting_for_repair ?? 0,
    cached_answers: rest?.cached_answers ?? 0,
    largest,
  };
}
