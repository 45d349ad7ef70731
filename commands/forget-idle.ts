import { type Em, query } from '../entities/sql.ts';

const BATCH = 1_000;

/**
 * Removes token buckets that have been full for an hour, which is as if they had never been, and what users used so long ago that nothing is left of it, and failures of
 * targets for which nothing waits. What somebody has locked is left for the next time.
 */
export async function forgetIdle(em: Em): Promise<void> {
  await query(em, BUCKETS, [BATCH]);
  await query(em, SHARES, [BATCH]);
  await query(em, LANES, [BATCH]);
}

const BUCKETS = `
delete from rate_buckets where name in (
  select name from rate_buckets where ready_at is null and full_us < (extract(epoch from clock_timestamp() - interval '1 hour') * 1000000)::int8
    and updated_at < clock_timestamp() - interval '1 hour' limit $1 for update skip locked)`;

const SHARES = `
delete from user_shares where (queue, user_id) in (
  select queue, user_id from user_shares where as_of < clock_timestamp() - interval '2 days' limit $1 for update skip locked)`;

const LANES = `
delete from delivery_lanes where name in (
  select name from delivery_lanes l where updated_at < clock_timestamp() - interval '2 days' and not exists (select 1 from deliveries d where d.lane = l.name and d.state = 'waiting')
  limit $1 for update skip locked)`;
