import type { Timeline } from '../core/sla-replay.ts';
import { type Em, queryOnce } from '../entities/sql.ts';

/** Whose pasts are wanted: one task, or those that lived in a range (ms). `user_id` null: everybody's. */
export type TimelineWish = {
  task: string | null;
  scope: { type: string; id: string } | null;
  from: number;
  until: number;
  user_id: number | null;
  assertions: readonly string[];
};

/** So many tasks one request looks at. */
export const MOST_TASKS = 5_000;

const ms = (column: string, name: string): string => `(extract(epoch from ${column}) * 1000)::float8 as ${name}`;
const inMs = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

const IN_SCOPE: Record<string, string> = {
  pool: 't.queue in (select name from queues where pool = $2)',
  queue: 't.queue = $2',
  template: 't.template = $2',
  schedule: '(t.source_id = $2::uuid or t.source_id in (select id from backfills where schedule_id = $2::uuid))',
};

/** What happened to tasks, oldest first, one more than `MOST_TASKS` at most. Waits and holds come from the history, attempts from the instances. */
export async function loadTimelines(em: Em, wish: TimelineWish): Promise<Timeline[]> {
  const where = wish.task === null ? `t.eligible_at < $5 and coalesce(t.completed_at, 'infinity') > $4` : 't.uuid = $1::uuid';
  const scope = wish.scope === null ? '' : `and ${IN_SCOPE[wish.scope.type]}`;
  const values = [
    wish.task,
    wish.scope?.id ?? null,
    wish.user_id,
    new Date(wish.from).toISOString(),
    new Date(wish.until).toISOString(),
    wish.assertions,
  ];
  return await queryOnce<Timeline>(em, select(where, scope), values);
}

/** All parameters stand in each variant, so that their types are known. */
const select = (where: string, scope: string): string => `
select t.uuid as task, ${ms('t.eligible_at', 'eligible_at')}, ${ms('t.nominal_at', 'nominal_at')}, t.status,
  case when t.status in ('completed', 'failed', 'cancelled') then ${inMs('t.completed_at')} end as completed_at,
  coalesce((select jsonb_agg(${inMs('h.created_at')} order by h.id) from task_history h where h.task_id = t.uuid and h.subject = 'task' and h.to_status = 'queued'), '[]') as queued_at,
  coalesce((select jsonb_agg(jsonb_build_object('from', ${inMs('x.at')}, 'until', ${inMs('x.next')}) order by x.id) from (
    select h.id, h.to_status, h.reason, h.created_at as at, lead(h.created_at) over (order by h.id) as next from task_history h where h.task_id = t.uuid and h.subject = 'task') x
    where x.to_status = 'pending' and x.reason = 'hold'), '[]') as holds,
  coalesce((select jsonb_agg(jsonb_build_object('attempt', i.attempt, 'created_at', ${inMs('coalesce(i.admitted_at, i.created_at)')}, 'start_at', ${inMs('i.start_time')}, 'end_at', ${inMs('i.end_time')},
    'status', i.status) order by i.attempt) from instances i where i.task_id = t.uuid), '[]') as attempts,
  case when r.template is not null then jsonb_build_object('p50_s', r.p50_s, 'p90_s', r.p90_s, 'p95_s', r.p95_s, 'samples', r.samples) end as runs,
  coalesce((select jsonb_object_agg(a.that, jsonb_path_match(jsonb_build_object('result', t.result, 'parameters', t.parameters, 'tags', t.tags, 'run_s', (
      select extract(epoch from i.end_time - i.start_time) from instances i where i.task_id = t.uuid and i.attempt = t.attempt)), a.that::jsonpath, '{}', true) is true)
    from unnest($6::text[]) as a(that)), '{}') as verdicts
from tasks t left join template_runtimes r on r.template = t.template
where ($1::text is null or true) and ($2::text is null or true) and ($4::timestamptz is null or true) and ($5::timestamptz is null or true)
  and ($3::int8 is null or t.user_id = $3) and ${where} ${scope} order by t.eligible_at, t.uuid limit ${MOST_TASKS + 1}`;
