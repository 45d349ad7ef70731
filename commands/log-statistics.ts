import { EngineError } from '../core/errors.ts';
import type { SegmentType } from '../core/logs/levels.ts';
import { type Em, queryOnce } from '../entities/sql.ts';
import type { INTERVALS, LogStats, LogTrend, STATS_BY } from '../schemas/log-segment.ts';

type Scope = { container_id?: string | undefined; type?: string[] | undefined; from?: string | undefined; to?: string | undefined };
export type StatsWanted = Scope & { by: (typeof STATS_BY)[number]; limit: number };
export type TrendWanted = Scope & { interval?: (typeof INTERVALS)[number] | undefined };

const HOUR_MS = 3_600_000;
const HOURS: Record<(typeof INTERVALS)[number], number> = { '1h': 1, '3h': 3, '6h': 6, '12h': 12, '1d': 24, '7d': 168, '30d': 720 };
const FEW_POINTS = 500;
const MOST_POINTS = 10_000;

const KEYS: Record<StatsWanted['by'], { key: string; name: string; order: string }> = {
  type: { key: 'h.segment_type', name: 'null', order: 'count desc' },
  severity: { key: 'h.severity_level', name: 'null', order: 'count desc' },
  component: { key: 'h.component', name: 'null', order: 'count desc' },
  hour: { key: `to_char(h.hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`, name: 'null', order: 'key' },
  container: {
    key: 'h.container_id',
    name: '(select max(c.container_name) from container_log_source c where c.container_id = x.key)',
    order: 'count desc',
  },
};

const COUNTS = (['error', 'warning', 'info', 'debug'] as const)
  .map((type) => `coalesce(sum(h.count) filter (where h.segment_type = '${type}'), 0)::float8 as ${type}`)
  .join(', ');
const WHERE = `h.count > 0 and ($1::text is null or h.container_id = $1) and ($2::text[] is null or h.segment_type = any($2))
  and ($3::timestamptz is null or h.hour >= date_trunc('hour', $3::timestamptz, 'UTC')) and ($4::timestamptz is null or h.hour < $4)`;
const values = ({ container_id, type, from, to }: Scope): unknown[] => [container_id ?? null, type ?? null, from ?? null, to ?? null];

type Counts = Record<SegmentType, number>;
const typesOf = ({ error, warning, info, debug }: Counts): Counts => ({ error, warning, info, debug });

/** Counts by one thing. Hours count as a whole: `from` is rounded down to its hour, and an hour counts when it begins before `to`. */
export async function countSegments(em: Em, wanted: StatsWanted): Promise<Omit<LogStats, 'as_of' | 'age_s'>> {
  const { key, name, order } = KEYS[wanted.by];
  const sql = `select x.*, ${name} as name, sum(x.count) over ()::float8 as total from (
      select ${key} as key, sum(h.count)::float8 as count, ${COUNTS} from log_stats_hourly h where ${WHERE} group by 1) x
    order by ${order}, key limit $5`;
  type Row = Counts & { key: string; name: string | null; count: number; total: number };
  const rows = await queryOnce<Row>(em, sql, [...values(wanted), wanted.limit]);
  const items = rows.map((row) => ({ key: row.key, name: row.name, count: row.count, types: typesOf(row) }));
  return { by: wanted.by, total: rows[0]?.total ?? 0, items };
}

type Range = { from: number; to: number };

/** How far back a range without a beginning goes: to the first segment, or as far as the interval that was asked for can show. */
function reachOf({ interval }: TrendWanted, first: number | null, to: number | null): number | null {
  if (first === null || to === null || interval === undefined) return first;
  return Math.max(first, to - MOST_POINTS * HOURS[interval] * HOUR_MS);
}

/** The range in whole hours; what the caller left open is as wide as the segments are, but no clock gone wrong stretches it. */
async function rangeOf(em: Em, wanted: TrendWanted): Promise<Range | null> {
  const sql = `select extract(epoch from min(h.hour))::float8 * 1000 as first, extract(epoch from max(h.hour))::float8 * 1000 as last from log_stats_hourly h
    where ${WHERE} and h.hour < now() + interval '1 day'`;
  const [found] = await queryOnce<{ first: number | null; last: number | null }>(em, sql, values(wanted));
  const to = wanted.to ? Math.ceil(Date.parse(wanted.to) / HOUR_MS) * HOUR_MS : found?.last == null ? null : found.last + HOUR_MS;
  const from = wanted.from ? Math.floor(Date.parse(wanted.from) / HOUR_MS) * HOUR_MS : reachOf(wanted, found?.first ?? null, to);
  return from === null || to === null || to <= from ? null : { from, to };
}

function intervalOf(asked: TrendWanted['interval'], { from, to }: Range): (typeof INTERVALS)[number] {
  const points = (hours: number): number => Math.ceil((to - from) / (hours * HOUR_MS));
  const interval = asked ?? (Object.keys(HOURS) as (typeof INTERVALS)[number][]).find((one) => points(HOURS[one]) <= FEW_POINTS) ?? '30d';
  if (points(HOURS[interval]) <= MOST_POINTS) return interval;
  const detail = `gives ${points(HOURS[interval])} points, expected at most ${MOST_POINTS}: ask for a longer interval or a shorter time`;
  throw new EngineError('invalid_input', `interval ${interval}: ${detail}`, { errors: [{ pointer: '/query/interval', detail }] });
}

/**
 * Counts over time, with zeros where there was nothing; its sums are those of `countSegments` with the same filters.
 * @throws EngineError invalid_input: more than 10,000 points
 */
export async function trendOf(em: Em, wanted: TrendWanted): Promise<Omit<LogTrend, 'as_of' | 'age_s'>> {
  const range = await rangeOf(em, wanted);
  if (!range) return { interval: wanted.interval ?? '1h', from: wanted.from ?? null, to: wanted.to ?? null, total: 0, points: [] };
  const interval = intervalOf(wanted.interval, range);
  const [from, to] = [new Date(range.from).toISOString(), new Date(range.to).toISOString()];
  const sql = `with counted as (
      select date_bin($5::text::interval, h.hour, $6::timestamptz) as at, ${COUNTS}, sum(h.count)::float8 as total from log_stats_hourly h where ${WHERE} group by 1)
    select to_char(g.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, coalesce(c.error, 0) as error, coalesce(c.warning, 0) as warning,
      coalesce(c.info, 0) as info, coalesce(c.debug, 0) as debug, coalesce(c.total, 0) as total
    from generate_series($6::timestamptz, $7::timestamptz - interval '1 ms', $5::text::interval, 'UTC') as g(at) left join counted c on c.at = g.at order by g.at`;
  const points = await queryOnce<LogTrend['points'][number]>(em, sql, [
    ...values({ ...wanted, from, to }),
    `${HOURS[interval]} hours`,
    from,
    to,
  ]);
  return { interval, from, to, total: points.reduce((sum, point) => sum + point.total, 0), points };
}

type Kept = { value: unknown; at: number };
const MOST_KEPT = 500;

/** Answers that were counted a moment ago. Kept in one process; what this process writes empties it, what others write shows after the age. */
export class StatisticsCache {
  private readonly kept = new Map<string, Kept>();

  /** The answer to `key`, at most `max_age_s` old; when it was counted and how long ago that was stand in it. */
  async answer<T extends object>(key: string, max_age_s: number, count: () => Promise<T>): Promise<T & { as_of: string; age_s: number }> {
    const now = Date.now();
    const known = this.kept.get(key);
    if (known && now - known.at <= max_age_s * 1000) return stamped(known.value as T, known.at, now);
    const value = await count();
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    this.kept.set(key, { value, at: now });
    return stamped(value, now, now);
  }

  clear(): void {
    this.kept.clear();
  }
}

const stamped = <T extends object>(value: T, at: number, now: number) => ({
  ...value,
  as_of: new Date(at).toISOString(),
  age_s: (now - at) / 1000,
});

/** The cache of this process. */
export const statisticsCache = new StatisticsCache();
