import type { DayStatistics } from '../schemas/video.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';

const FIGURES = [
  'total_tasks',
  'completed_tasks',
  'failed_tasks',
  'cancelled_tasks',
  'total_videos',
  'total_duration',
  'avg_generation_time',
];

/** The days of a range as half-open UTC intervals. $1, $2: first and last day. */
const DAYS = `select d::date as date from generate_series($1::date, $2::date, interval '1 day') d`;
const WITHIN = `t.created_at >= $1::date::timestamp at time zone 'UTC' and t.created_at < ($2::date + 1)::timestamp at time zone 'UTC'`;
const DAY_OF = `(t.created_at at time zone 'UTC')::date`;

/** A recount from the rows themselves. `only`: which tasks. */
const counted = (only: string): string => `
  select ${DAY_OF} as date, count(*)::int4 as total_tasks,
    (count(*) filter (where t.status = 'completed'))::int4 as completed_tasks,
    (count(*) filter (where t.status = 'failed'))::int4 as failed_tasks,
    (count(*) filter (where t.status = 'cancelled'))::int4 as cancelled_tasks,
    (count(*) filter (where t.status not in ('completed', 'failed', 'cancelled')))::int4 as open_tasks,
    coalesce(sum(v.n), 0)::int4 as total_videos, coalesce(sum(v.seconds), 0)::float8 as total_duration,
    coalesce(avg(t.duration) filter (where t.status = 'completed'), 0)::float8 as avg_generation_time
  from tasks t left join lateral (
    select count(*) as n, sum(v.duration) as seconds from videos v where v.task_id = t.uuid and v.status in ('completed', 'removed')) v on true
  where t.type = 'video' and ${WITHIN} and ${only} group by 1`;

const shown = (from: string): string => FIGURES.map((name) => `coalesce(${from}.${name}, 0) as ${name}`).join(', ');

/**
 * One row for each day from `from` to `to`, both included, zeros where nothing happened. Days that are over and settled are read, others are
 * counted now, so the answer always equals a recount. A user's own figures are always counted.
 */
export async function getStatistics(em: Em, { from, to, user_id }: { from: string; to: string } & Scope): Promise<DayStatistics[]> {
  if (user_id !== null) return await query<DayStatistics>(em, OF_USER, [from, to, user_id]);
  return await query<DayStatistics>(em, OF_ALL, [from, to]);
}

const OF_USER = `with days as (${DAYS}), c as (${counted('t.user_id = $3')})
  select to_char(days.date, 'YYYY-MM-DD') as date, ${shown('c')} from days left join c on c.date = days.date order by days.date`;

const OF_ALL = `with days as (${DAYS}),
  kept as (select * from statistics s where s.date between $1::date and $2::date and (s.settled or s.sealed)),
  c as (${counted(`not exists (select 1 from kept where kept.date = ${DAY_OF})`)})
  select to_char(days.date, 'YYYY-MM-DD') as date, ${FIGURES.map((name) => `coalesce(kept.${name}, c.${name}, 0) as ${name}`).join(', ')}
  from days left join kept on kept.date = days.date left join c on c.date = days.date order by days.date`;

/**
 * Counts the days of a range anew and stores them; sealed days stay. A day is settled when it is over and all its tasks are final.
 * @returns days stored
 */
export async function storeStatistics(em: Em, { from, to }: { from: string; to: string }): Promise<number> {
  return (await query(em, STORE, [from, to])).length;
}

const STORE = `with c as (${counted('true')}),
  day as (
    select days.date, ${shown('c')}, coalesce(c.open_tasks, 0) = 0 and days.date < (clock_timestamp() at time zone 'UTC')::date as settled
    from (${DAYS}) days left join c on c.date = days.date
    where c.date is not null or exists (select 1 from statistics s where s.date = days.date))
  insert into statistics (date, ${FIGURES.join(', ')}, settled) select date, ${FIGURES.join(', ')}, settled from day order by date
  on conflict (date) do update set ${FIGURES.map((name) => `${name} = excluded.${name}`).join(', ')}, settled = excluded.settled
    where not statistics.sealed
  returning date`;

/** The first day that has tasks of videos and is neither settled nor sealed; null: there is none before today. */
export async function firstUnsettledDay(em: Em): Promise<string | null> {
  const rows = await query<{ date: string | null }>(
    em,
    `select to_char(min(${DAY_OF}), 'YYYY-MM-DD') as date from tasks t
     where t.type = 'video' and t.created_at < (clock_timestamp() at time zone 'UTC')::date::timestamp at time zone 'UTC'
       and not exists (select 1 from statistics s where s.date = ${DAY_OF} and (s.settled or s.sealed))`,
  );
  return rows[0]?.date ?? null;
}

/** Days up to that of `before` are never counted again: tasks of them may be removed from now on. */
export async function sealDays(em: Em, before: Date): Promise<void> {
  await query(em, `update statistics set sealed = true where date <= ($1::timestamptz at time zone 'UTC')::date and not sealed`, [
    before.toISOString(),
  ]);
}
