import { type Bucket, readyAt, tokensAt } from '../core/token-bucket.ts';
import { type Em, query } from '../entities/sql.ts';

/** Tasks that one statement throttles, buckets that one transaction opens, and tasks of one queue and need that it lets through. */
const BATCH = 1_000;
const MOST_BUCKETS = 1_000;
const MOST_OPENED = 200;

/** Microseconds after which a bucket is looked at again whose tasks wait for room rather than for a token: some of these may have been cancelled. */
const RECHECK_US = 1_000_000;
const RECHECK_FULL_US = 5_000_000;

/**
 * Takes the tasks of empty buckets out of the way: they are no candidates until a token comes, so that any number of them costs an admission nothing. The
 * bucket remembers when to look again, in the same statement and under its lock: a throttled task is never forgotten.
 * @returns how many were throttled, and in how many milliseconds the first token comes; null: nothing was throttled
 */
export async function throttleTasks(em: Em, buckets: readonly string[]): Promise<{ throttled: number; token_in_ms: number | null }> {
  if (buckets.length === 0) return { throttled: 0, token_in_ms: null };
  const [row] = await query<{ n: number; token_in_ms: number | null }>(em, THROTTLE, [buckets, BATCH]);
  return { throttled: row?.n ?? 0, token_in_ms: row?.token_in_ms ?? null };
}

const NOW_US = '(extract(epoch from clock_timestamp()) * 1000000)::int8';
const READY_US = 'full_us - (burst - 1) * interval_us';

const THROTTLE = `
with b as (
  select name, ${READY_US} as ready_us from rate_buckets where name = any($1) and ${READY_US} > ${NOW_US}
  order by name for no key update skip locked),
x as (
  select t.uuid, t.rate_key from tasks t where t.rate_key in (select name from b) and t.status = 'queued' and not t.throttled and not t.parked
  limit $2 for no key update skip locked),
t as (
  update tasks set throttled = true from x where tasks.uuid = x.uuid returning x.rate_key),
a as (
  update rate_buckets set ready_at = to_timestamp(ceil(b.ready_us / 1000.0) / 1000), updated_at = now()
  from b where rate_buckets.name = b.name and b.name in (select rate_key from t) returning b.ready_us)
select (select count(*)::int4 from t) as n, (select (min(ready_us) - ${NOW_US})::float8 / 1000 from a) as token_in_ms`;

type Due = Bucket & { now: number };

/**
 * Lets the first tasks of each bucket that has tokens again be candidates: of each queue and need as many as there are tokens, so that what has no room
 * cannot hide what has.
 * @returns in how many milliseconds the next bucket is to be looked at; null: no task waits for a token
 */
export async function openThrottled(em: Em): Promise<number | null> {
  return await em.transactional(async (tx) => {
    const due = await query<Due>(tx as Em, DUE, [MOST_BUCKETS]);
    const ready = due.map((bucket) => ({ bucket, tokens: tokensAt(bucket, bucket.now) })).filter(({ tokens }) => tokens > 0);
    if (ready.length > 0) {
      await query(tx as Em, OPEN, [ready.map(({ bucket }) => bucket.name), ready.map(({ tokens }) => Math.min(tokens, MOST_OPENED))]);
    }
    const again = due.map((bucket) => Math.ceil(lookAgain(bucket) / 1000));
    if (due.length > 0) await query(tx as Em, ARM, [due.map(({ name }) => name), again]);
    const [next] = await query<{ ms: number | null }>(tx as Em, NEXT);
    return next?.ms ?? null;
  });
}

/** Under its lock nobody throttles a task of the bucket, so what the next statement sees is all there is. */
const DUE = `
select name, burst, interval_us::float8 as interval_us, full_us::float8 as full_at, ${NOW_US}::float8 as now
from rate_buckets where ready_at <= clock_timestamp() order by ready_at limit $1 for no key update skip locked`;

/** When the next token comes beyond those that are there; soon, if all are there. */
function lookAgain(bucket: Due): number {
  const tokens = tokensAt(bucket, bucket.now);
  if (tokens === 0) return readyAt(bucket);
  if (tokens === bucket.burst) return bucket.now + RECHECK_FULL_US;
  return Math.max(readyAt(bucket, tokens + 1), bucket.now + RECHECK_US);
}

const HEAD = (where: string): string =>
  `lateral (select t.queue, t.need from tasks t where t.status = 'queued' and t.throttled and ${where} order by t.queue, t.need limit 1) t`;

const OPEN = `
with recursive b as (select * from unnest($1::text[], $2::int4[]) as b(name, tokens)),
line as (
  select b.name, b.tokens, t.queue, t.need from b, ${HEAD('t.rate_key = b.name')}
  union all
  select line.name, line.tokens, t.queue, t.need from line, ${HEAD('t.rate_key = line.name and (t.queue, t.need) > (line.queue, line.need)')}),
x as (
  select t.uuid from line, lateral (
    select uuid from tasks t where t.rate_key = line.name and t.status = 'queued' and t.throttled and t.queue = line.queue and t.need = line.need
    order by t.vtime, t.uuid limit line.tokens for no key update skip locked) t)
update tasks set throttled = false from x where tasks.uuid = x.uuid`;

const ARM = `
update rate_buckets b set updated_at = now(), ready_at = case when exists (
  select 1 from tasks t where t.rate_key = b.name and t.status = 'queued' and t.throttled) then to_timestamp(a.ready_ms / 1000) end
from unnest($1::text[], $2::float8[]) as a(name, ready_ms) where b.name = a.name`;

const NEXT = `select (extract(epoch from min(ready_at) - clock_timestamp()) * 1000)::float8 as ms from rate_buckets where ready_at is not null`;
