import { type Bucket, type BucketShape, fullBucket, microseconds, readyAt, reshaped, tokensAt } from '../core/token-bucket.ts';
import { type Em, query } from '../entities/sql.ts';

/** `lock`: until the transaction ends; a bucket that somebody else takes from just now is left out. `now` in milliseconds. */
type Loading = { lock: boolean; now: number };

/** `missing`: buckets that nobody has made yet, or whose shape has changed since: nothing is taken from them before they were made. */
export type LoadedBuckets = { buckets: Bucket[]; missing: BucketShape[] };

type Row = Bucket & { version: number | null };

const COLUMNS = 'name, burst, interval_us::float8 as interval_us, full_us::float8 as full_at, version::float8 as version';
const LOAD = `select ${COLUMNS} from rate_buckets where name = any($1) order by name`;
const LOCK = `${LOAD} for no key update skip locked`;
const EXIST = 'select name from rate_buckets where name = any($1)';

/** The token buckets of these shapes. Without a lock those that are not there are shown as they would be made. */
export async function loadBuckets(em: Em, shapes: readonly BucketShape[], { lock, now }: Loading): Promise<LoadedBuckets> {
  const wanted = latestShapes(shapes);
  if (wanted.size === 0) return { buckets: [], missing: [] };
  const rows = await query<Row>(em, lock ? LOCK : LOAD, [[...wanted.keys()]]);
  const found = new Map(rows.map((row) => [row.name, row]));
  const stale = rows.filter((row) => isStale(row, wanted.get(row.name) as BucketShape));
  if (!lock) return { buckets: [...wanted.values()].map((shape) => shown(found.get(shape.name), shape, now)), missing: [] };
  const absent = [...wanted.keys()].filter((name) => !found.has(name));
  const busy = absent.length === 0 ? [] : await query<{ name: string }>(em, EXIST, [absent]);
  const taken = new Set(busy.map(({ name }) => name));
  const missing = [...absent.filter((name) => !taken.has(name)), ...stale.map(({ name }) => name)];
  const unusable = new Set(missing);
  return { buckets: rows.filter(({ name }) => !unusable.has(name)), missing: missing.map((name) => wanted.get(name) as BucketShape) };
}

/** Reads the buckets of tasks, each once, and keeps what it has read. */
export function bucketReader(em: Em, loading: Loading) {
  const asked = new Set<string>();
  const missing: BucketShape[] = [];
  let buckets: Bucket[] = [];
  const bucketsOf = async (tasks: readonly { shape: BucketShape | null }[]): Promise<Bucket[]> => {
    const fresh = tasks.flatMap(({ shape }) => (shape && !asked.has(shape.name) ? [shape] : []));
    if (fresh.length === 0) return buckets;
    for (const { name } of fresh) asked.add(name);
    const loaded = await loadBuckets(em, fresh, loading);
    missing.push(...loaded.missing);
    buckets = [...buckets, ...loaded.buckets];
    return buckets;
  };
  return { bucketsOf, missing };
}

const shown = (row: Row | undefined, shape: BucketShape, now: number): Bucket => {
  if (!row) return fullBucket(shape);
  return isStale(row, shape) ? reshaped(row, shape, microseconds(now)) : row;
};

/** One shape for each name: that of the latest version, or of a queue the only one. */
function latestShapes(shapes: readonly BucketShape[]): Map<string, BucketShape> {
  const latest = new Map<string, BucketShape>();
  for (const shape of shapes) {
    const other = latest.get(shape.name);
    if (!other || (shape.version ?? 0) > (other.version ?? 0)) latest.set(shape.name, shape);
  }
  return latest;
}

/** An older version never changes what a newer one has said. */
function isStale(row: Row, shape: BucketShape): boolean {
  if (row.version !== null && shape.version !== null && shape.version <= row.version) return false;
  return row.burst !== shape.burst || row.interval_us !== shape.interval_us;
}

/** Makes buckets, full, or gives them their new shape. In a transaction of its own and by name, so that no two dispatchers wait for each other in a ring. */
export async function makeBuckets(em: Em, shapes: readonly BucketShape[]): Promise<void> {
  if (shapes.length === 0) return;
  const sorted = shapes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const column = <T>(pick: (shape: BucketShape) => T): T[] => sorted.map(pick);
  await em.transactional(async (tx) => {
    const parameters = [column((s) => s.name), column((s) => s.burst), column((s) => s.interval_us), column((s) => s.version)];
    await query(tx as Em, MAKE, parameters);
    await query(tx as Em, RESHAPE, parameters);
  });
}

const NOW_US = '(extract(epoch from clock_timestamp()) * 1000000)::int8';
const SHAPES = 'unnest($1::text[], $2::int4[], $3::int8[], $4::int8[]) as s(name, burst, interval_us, version)';

const MAKE = `
insert into rate_buckets (name, burst, interval_us, version, shaped_us)
select s.name, s.burst, s.interval_us, s.version, ${NOW_US} from ${SHAPES} order by s.name on conflict (name) do nothing`;

/** As `reshaped` in core/token-bucket.ts: what is missing stays missing. */
const RESHAPE = `
with locked as (
  select b.name, s.burst, s.interval_us, s.version, greatest(0, b.full_us - c.now_us)::float8 / b.interval_us as missing, c.now_us
  from rate_buckets b join ${SHAPES} on s.name = b.name, (select ${NOW_US} as now_us) c
  where (b.burst, b.interval_us) is distinct from (s.burst, s.interval_us) and (b.version is null or s.version is null or s.version > b.version)
  order by b.name for no key update of b)
update rate_buckets b set burst = l.burst, interval_us = l.interval_us, version = l.version, shaped_us = l.now_us, taken_us = l.now_us,
  full_us = l.now_us + least(ceil(l.missing * l.interval_us), l.burst * l.interval_us)::int8, ready_at = case when b.ready_at is not null then clock_timestamp() end, updated_at = now()
from locked l where b.name = l.name`;

/**
 * Takes tokens from buckets, which the caller has locked. `now`: as they were looked at, in milliseconds.
 * @returns in how many milliseconds the first of them has a token again for which tasks wait; null: none do
 */
export async function takeFromBuckets(em: Em, counts: ReadonlyMap<string, number>, now: number): Promise<number | null> {
  if (counts.size === 0) return null;
  const rows = await query<{ ms: number | null }>(em, TAKE, [[...counts.keys()], [...counts.values()], microseconds(now)]);
  const times = rows.flatMap(({ ms }) => (ms === null ? [] : [Math.max(0, ms)]));
  return times.length === 0 ? null : Math.min(...times);
}

/** Where tasks wait for a token, the bucket is looked at again when the next one comes; a CHECK refuses more than there were. */
const TAKE = `
update rate_buckets b set full_us = n.full_us, taken_us = $3::int8, updated_at = now(),
  ready_at = case when b.ready_at is not null then to_timestamp(ceil((n.full_us - (b.burst - 1) * b.interval_us) / 1000.0) / 1000) end
from (
  select b.name, greatest(b.full_us, $3::int8) + t.n * b.interval_us as full_us
  from unnest($1::text[], $2::int4[]) as t(name, n) join rate_buckets b on b.name = t.name) n
where b.name = n.name returning (extract(epoch from b.ready_at - clock_timestamp()) * 1000)::float8 as ms`;

/** Milliseconds from now until a bucket has a token; 0: it has one. */
export const untilToken = (bucket: Bucket, now: number): number =>
  tokensAt(bucket, microseconds(now)) > 0 ? 0 : Math.max(0, readyAt(bucket) / 1000 - now);
