import { z } from 'zod';

const time = z.iso.datetime().nullable();

const TableReport = z.object({
  name: z.string(),
  rows: z.int(),
  dead_rows: z.int(),
  table_bytes: z.int(),
  index_bytes: z.int(),
  total_bytes: z.int(),
  sequential_scans: z.int(),
  rows_per_scan: z.int(),
  index_scans: z.int(),
  inserted: z.int(),
  updated: z.int(),
  deleted: z.int(),
  changed_since_analyze: z.int(),
  last_vacuum: time,
  last_autovacuum: time,
  last_analyze: time,
  last_autoanalyze: time,
});

const IndexReport = z.object({
  name: z.string(),
  table: z.string(),
  bytes: z.int(),
  scans: z.int(),
  rows_read: z.int(),
  needed: z.boolean().describe('enforces a key or a constraint'),
  last_scan: time,
});

const SlowStatement = z.object({
  statement: z.string(),
  calls: z.int(),
  mean_ms: z.number(),
  max_ms: z.number(),
  total_ms: z.number(),
});
export type SlowStatement = z.output<typeof SlowStatement>;

/**
 * State of the database: sizes in bytes, `rows` and `dead_rows` as PostgreSQL estimates them, counts since `statistics_since` (null: since the
 * cluster was made). Tables and indexes come largest first, slow statements by total time, without their parameters: those of the whole database
 * from pg_stat_statements, or those over SLOW_QUERY_MS that the answering process has seen itself.
 */
export const DatabaseReport = z
  .object({
    checked_at: z.iso.datetime(),
    statistics_since: time,
    server_version: z.string(),
    size_bytes: z.int(),
    cache_hit_ratio: z.number().nullable(),
    deadlocks: z.int(),
    connections: z.object({
      used: z.int(),
      max: z.int(),
      by_application: z.array(z.object({ application: z.string(), state: z.string(), count: z.int() })),
    }),
    oldest_transaction: z
      .object({ pid: z.int(), application: z.string(), state: z.string(), age_s: z.number(), statement: z.string() })
      .nullable(),
    tables: z.array(TableReport),
    indexes: z.array(IndexReport),
    unused_indexes: z.array(z.string()).describe('never read since the statistics began, and not needed for a key'),
    slow_statements: z.object({ source: z.enum(['pg_stat_statements', 'this_process']), items: z.array(SlowStatement) }),
    advice: z.array(z.string()),
  })
  .meta({ id: 'DatabaseReport' });
export type DatabaseReport = z.output<typeof DatabaseReport>;
