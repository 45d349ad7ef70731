import { LEAST, type Step, tally } from './retention-step.ts';

/** Rows that one batch removes at most, and runs that it looks at. */
const ROWS = 5_000;
const RUNS = 100;
const CACHED = 5_000;

/** A run that ended long ago and whose figures are stored; so every run that loses its rows keeps what they said. */
const OLD_RUN = `f.end_time < $1 and f.logs <> 'removed' and f.result->'overall' is not null`;

/**
 * Rows of evaluations, and cached answers whose time is over. Runs themselves stay, as one small row each; files of runs whose rows went are removed by
 * `dispatcher/flames-keeper.ts`. A run is marked only in the batch that takes its last row: until then it is found again.
 */
export const FLAMES_STEPS: Record<'task_flames_logs' | 'flames_cache', Step> = {
  task_flames_logs: {
    size: RUNS,
    start: LEAST.text,
    count: `select count(*)::int4 as n from task_flames f join task_flames_logs l on l.task_id = f.task_id where ${OLD_RUN}`,
    batch: `with page as materialized (
        select f.task_id, f.end_time as created_at from task_flames f where ${OLD_RUN} and (f.end_time, f.task_id) > ($2::timestamptz, $3)
        order by f.end_time, f.task_id limit ${RUNS} for update skip locked),
      doomed as materialized (
        select l.id from page cross join lateral (select l.id from task_flames_logs l where l.task_id = page.task_id limit ${ROWS}) l limit ${ROWS}),
      gone as (delete from task_flames_logs l using doomed d where l.id = d.id returning 1),
      marked as (
        update task_flames f set logs = 'removed', repair_at = null, result = f.result - 'logs' - 'old_logs'
        from page where f.task_id = page.task_id and (select count(*) from doomed) < ${ROWS} returning 1)
      ${tally('task_id', { more: `(select count(*) / ${ROWS} from doomed)::int4` })}`,
  },
  flames_cache: {
    size: CACHED,
    start: LEAST.text,
    count: `select count(*)::int4 as n from flames_cache where expires_at < $1`,
    batch: `with page as materialized (
        select key, expires_at as created_at from flames_cache where expires_at < $1 and (expires_at, key) > ($2::timestamptz, $3)
        order by expires_at, key limit ${CACHED} for update skip locked),
      gone as (delete from flames_cache c using page where c.key = page.key returning 1)
      ${tally('key')}`,
  },
};
