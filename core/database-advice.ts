/** What is known of a table: sizes in bytes; `rows` live and `dead` ones as PostgreSQL estimates them; times null: never since the statistics began. */
export type TableState = {
  name: string;
  rows: number;
  dead_rows: number;
  sequential_scans: number;
  rows_per_scan: number;
  last_vacuum: string | null;
  last_autovacuum: string | null;
  last_analyze: string | null;
  last_autoanalyze: string | null;
  changed_since_analyze: number;
};

/** `needed`: it enforces a key or a constraint, so it earns its keep unread. */
export type IndexState = { name: string; table: string; bytes: number; scans: number; needed: boolean };

export type ServerState = { connections: number; max_connections: number; oldest_transaction_s: number };

const MANY_DEAD = 10_000;
const DEAD_SHARE = 0.2;
const LARGE = 10_000;
const SCANS = 100;
const STALE_SHARE = 0.2;
const INDEX_WORTH_BYTES = 10 * 2 ** 20;
const LONG_S = 300;

/** What to do about a table, one sentence each; none when all is well. Small tables are left alone: reading them whole is right. */
export function adviceForTable(table: TableState): string[] {
  const advice: string[] = [];
  const dead = table.dead_rows / Math.max(1, table.rows + table.dead_rows);
  if (table.dead_rows >= MANY_DEAD && dead >= DEAD_SHARE) {
    advice.push(`VACUUM (ANALYZE) ${table.name}: ${Math.round(dead * 100)} % of its rows are dead`);
  }
  if (table.rows >= LARGE && table.changed_since_analyze > table.rows * STALE_SHARE) {
    advice.push(`ANALYZE ${table.name}: ${table.changed_since_analyze} rows changed since the planner's statistics were made`);
  }
  if (table.sequential_scans >= SCANS && table.rows_per_scan >= LARGE) {
    advice.push(
      `${table.name} was read from end to end ${table.sequential_scans} times, ${table.rows_per_scan} rows each: an index may be missing`,
    );
  }
  return advice;
}

/** What to do about indexes that nothing has read since the statistics began. */
export function adviceForIndexes(indexes: readonly IndexState[]): string[] {
  return indexes
    .filter((index) => index.scans === 0 && !index.needed && index.bytes >= INDEX_WORTH_BYTES)
    .map((index) => `index ${index.name} on ${index.table} was never read and takes ${Math.round(index.bytes / 2 ** 20)} MB`);
}

/** What to do about a database that has grown beyond what it was said to; `warn_mb` 0: nothing was said. */
export function adviceForSize(size_bytes: number, warn_mb: number): string[] {
  const size_mb = Math.round(size_bytes / 2 ** 20);
  if (warn_mb === 0 || size_mb < warn_mb) return [];
  return [
    `the database has ${size_mb} MB, more than DATABASE_WARN_MB (${warn_mb}): keep logs for fewer days (RETENTION_SEGMENT_DAYS, RETENTION_LOG_DAYS), or give it room`,
  ];
}

/** What to do about the server. */
export function adviceForServer(server: ServerState): string[] {
  const advice: string[] = [];
  if (server.connections > server.max_connections * 0.8) {
    advice.push(`${server.connections} of ${server.max_connections} connections are taken: lower DB_POOL_MAX or raise max_connections`);
  }
  if (server.oldest_transaction_s >= LONG_S) {
    advice.push(
      `a transaction has been open for ${Math.round(server.oldest_transaction_s)} s: no dead row younger than it can be cleaned up`,
    );
  }
  return advice;
}
