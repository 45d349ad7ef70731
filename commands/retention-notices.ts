/** The page of rows behind ($2, $3) that a batch removes, as in retention-steps.ts; `last` is where the next one goes on. */
const byId = ({ table, old, key }: { table: string; old: string; key: 'int8' | 'uuid' }) => ({
  size: 1_000,
  count: `select count(*)::int4 as n from ${table} where ${old}`,
  batch: `with page as materialized (
      select id, created_at from ${table} where ${old} and (created_at, id) > ($2::timestamptz, $3::${key})
      order by created_at, id limit 1000 for update skip locked),
    gone as (delete from ${table} where id in (select id from page) returning 1)
    select (select count(*) from gone)::int4 as n, 0 as more, (select count(*) from page)::int4 as seen,
      (select to_jsonb(x) from (select created_at::text as created_at, id::text as key from page order by page.created_at desc, id desc limit 1) x) as last`,
});

/** Steps of the retention for what people and other systems were told, and why. A breach of a task stays until a run after the one that removed the task,
 * whose clocks it belongs to; its actions go with it. */
export const NOTICE_STEPS = {
  notifications: byId({ table: 'notifications', old: 'created_at < $1 and seq is not null', key: 'int8' }),
  deliveries: byId({ table: 'deliveries', old: `created_at < $1 and ended_at < $1`, key: 'uuid' }),
  breaches: byId({
    table: 'breaches',
    old: `created_at < $1 and task_id is null and (subject_type = 'task' or resolved_at < $1)`,
    key: 'uuid',
  }),
  pool_resizes: byId({ table: 'pool_resizes', old: 'created_at < $1 and ended_at < $1', key: 'int8' }),
};
