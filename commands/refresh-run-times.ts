import { type Em, query } from '../entities/sql.ts';

/**
 * How long the last 200 completed tasks' instances of each template ran. Looks only at templates that completed something since the last time, and at
 * none that somebody refreshed within 5 s. @returns how many templates were refreshed
 */
export async function refreshRunTimes(em: Em): Promise<number> {
  return (await query(em, REFRESH)).length;
}

const REFRESH = `
insert into template_runtimes (template, p50_s, p90_s, p95_s, samples)
select t.name, s.p50_s, s.p90_s, s.p95_s, s.samples from templates t left join template_runtimes r on r.template = t.name, lateral (
  select percentile_cont(0.5) within group (order by run_s) as p50_s, percentile_cont(0.9) within group (order by run_s) as p90_s,
    percentile_cont(0.95) within group (order by run_s) as p95_s, count(*)::int4 as samples
  from (
    select extract(epoch from i.end_time - i.start_time)::float8 as run_s from (
      select uuid, attempt from tasks where template = t.name and status = 'completed' order by completed_at desc limit 200) last
    join instances i on i.task_id = last.uuid and i.attempt = last.attempt where i.start_time is not null) runs) s
where (r.template is null or r.updated_at < now() - interval '5 seconds') and s.samples > 0 and exists (
  select 1 from tasks where template = t.name and status = 'completed' and completed_at > coalesce(r.updated_at - interval '1 second', '-infinity'))
order by t.name
on conflict (template) do update set p50_s = excluded.p50_s, p90_s = excluded.p90_s, p95_s = excluded.p95_s, samples = excluded.samples, updated_at = now()
returning template`;
