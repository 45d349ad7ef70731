import { HALF_LIFE_S, type Share, START_COST_S } from '../core/fair-share.ts';
import { type Em, query } from '../entities/sql.ts';

/** What the users of fair queues have used, as it is at `now` (milliseconds). */
export async function loadShares(em: Em, queues: readonly string[], now: number): Promise<Share[]> {
  return queues.length === 0 ? [] : await query<Share>(em, LOAD, [queues, now / 1000]);
}

const DECAY = (since: string, until: string): string =>
  `power(0.5, greatest(0, extract(epoch from ${until} - ${since})::float8) / ${HALF_LIFE_S})`;

const LOAD = `select queue, user_id::int4 as "user", usage * ${DECAY('as_of', 'to_timestamp($2::float8)')} as usage from user_shares where queue = any($1)`;

/** The greater of the shares of cores and memory; of a pool without any, none. */
const SHARE = (cpu: string, memory: string): string =>
  `greatest((${cpu})::float8 / greatest(p.total_cpu::float8, 0.001), (${memory})::float8 / greatest(p.total_memory::float8, 1))`;

/** Charges the users of fair queues for tasks that were just admitted, in the transaction that admits them. `now` in milliseconds. */
export async function chargeShares(em: Em, tasks: readonly string[], now: number): Promise<void> {
  await query(em, CHARGE, [tasks, now / 1000]);
}

const CHARGE = `
insert into user_shares (queue, user_id, usage, as_of)
select t.queue, t.user_id, sum(${SHARE('t.cpu', 't.memory_mb')}) * ${START_COST_S}, to_timestamp($2::float8)
from tasks t join queues q on q.name = t.queue join pools p on p.name = q.pool
where t.uuid = any($1) and q.fairness = 'user' group by t.queue, t.user_id order by t.queue, t.user_id
on conflict (queue, user_id) do update set updated_at = now(), as_of = greatest(user_shares.as_of, excluded.as_of),
  usage = user_shares.usage * ${DECAY('user_shares.as_of', 'excluded.as_of')} + excluded.usage`;

/**
 * Adds to the usage of each user of a fair queue what the user's instances have held of the pool since the last look; at most each 4 s. Rows that an admission
 * or another dispatcher has locked are left for the next look: what they held is not lost, since it counts from the last one.
 */
export async function sampleShares(em: Em): Promise<void> {
  await query(em, SAMPLE);
}

const SAMPLE = `
with held as (
  select g.queue, t.user_id, ${SHARE('sum(g.cpu)', 'sum(g.memory_mb)')} as share, clock_timestamp() as now
  from queues q join pools p on p.name = q.pool join grants g on g.queue = q.name and g.released_at is null
    join instances i on i.runid = g.runid join tasks t on t.uuid = i.task_id
  where q.fairness = 'user' group by g.queue, t.user_id, p.total_cpu, p.total_memory),
known as (
  select s.queue, s.user_id, held.share, held.now from user_shares s join held on held.queue = s.queue and held.user_id = s.user_id
  where s.as_of < clock_timestamp() - interval '4 seconds' order by s.queue, s.user_id for no key update of s skip locked),
added as (
  update user_shares s set as_of = k.now, updated_at = now(), usage = s.usage * ${DECAY('s.as_of', 'k.now')}
    + k.share * (1 - ${DECAY('s.as_of', 'k.now')}) * ${HALF_LIFE_S / Math.LN2}
  from known k where s.queue = k.queue and s.user_id = k.user_id)
insert into user_shares (queue, user_id, as_of)
select queue, user_id, now from held order by queue, user_id on conflict do nothing`;
