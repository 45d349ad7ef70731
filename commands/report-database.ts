import { adviceForIndexes, adviceForServer, adviceForSize, adviceForTable } from '../core/database-advice.ts';
import { slowLogOf } from '../entities/slow-log.ts';
import { type Em, query } from '../entities/sql.ts';
import { wireTime } from '../entities/wire.ts';
import type { DatabaseReport, SlowStatement } from '../schemas/database-report.ts';

const SHOWN = 20;

const SERVER = `
select current_setting('server_version') as server_version, pg_database_size(current_database())::float8 as size_bytes,
  ${wireTime('d.stats_reset', 'statistics_since')}, d.deadlocks::float8 as deadlocks,
  case when d.blks_hit + d.blks_read > 0 then round(d.blks_hit::numeric / (d.blks_hit + d.blks_read), 4)::float8 end as cache_hit_ratio,
  current_setting('max_connections')::int4 as max, (select count(*)::int4 from pg_stat_activity where backend_type = 'client backend') as used
from pg_stat_database d where d.datname = current_database()`;

const BY_APPLICATION = `
select coalesce(nullif(application_name, ''), 'unnamed') as application, coalesce(state, 'unknown') as state, count(*)::int4 as count
from pg_stat_activity where datname = current_database() and backend_type = 'client backend' group by 1, 2 order by 3 desc, 1, 2`;

/** Statements are cut; they may hold literals of people who write their own SQL, never those of this program, whose values are bound. */
const OLDEST = `
select pid::int4 as pid, coalesce(application_name, '') as application, coalesce(state, 'unknown') as state,
  round(extract(epoch from clock_timestamp() - xact_start)::numeric, 3)::float8 as age_s, left(query, 500) as statement
from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid() and backend_type = 'client backend'
order by xact_start limit 1`;

const TABLES = `
select s.relname as name, s.n_live_tup::float8 as rows, s.n_dead_tup::float8 as dead_rows, pg_table_size(s.relid)::float8 as table_bytes,
  pg_indexes_size(s.relid)::float8 as index_bytes, pg_total_relation_size(s.relid)::float8 as total_bytes,
  coalesce(s.seq_scan, 0)::float8 as sequential_scans, (coalesce(s.seq_tup_read, 0) / greatest(1, coalesce(s.seq_scan, 0)))::float8 as rows_per_scan,
  coalesce(s.idx_scan, 0)::float8 as index_scans, s.n_tup_ins::float8 as inserted, s.n_tup_upd::float8 as updated, s.n_tup_del::float8 as deleted,
  s.n_mod_since_analyze::float8 as changed_since_analyze,
  ${['last_vacuum', 'last_autovacuum', 'last_analyze', 'last_autoanalyze'].map((column) => wireTime(`s.${column}`)).join(', ')}
from pg_stat_user_tables s where s.schemaname in (current_schema(), 'partitions') order by total_bytes desc, name`;

const INDEXES = `
select s.indexrelname as name, s.relname as table, pg_relation_size(s.indexrelid)::float8 as bytes, coalesce(s.idx_scan, 0)::float8 as scans,
  coalesce(s.idx_tup_read, 0)::float8 as rows_read, i.indisunique as needed, ${wireTime('s.last_idx_scan', 'last_scan')}
from pg_stat_user_indexes s join pg_index i on i.indexrelid = s.indexrelid where s.schemaname in (current_schema(), 'partitions') order by bytes desc, name`;

/** Where the extension lives, if it is there. */
const EXTENSION = `
select quote_ident(n.nspname) as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements' and has_schema_privilege(n.oid, 'usage')`;

const statementsIn = (schema: string): string => `
select left(regexp_replace(s.query, '\\s+', ' ', 'g'), 2000) as statement, s.calls::float8 as calls, round(s.mean_exec_time::numeric, 3)::float8 as mean_ms,
  round(s.max_exec_time::numeric, 3)::float8 as max_ms, round(s.total_exec_time::numeric, 3)::float8 as total_ms
from ${schema}.pg_stat_statements s where s.dbid = (select oid from pg_database where datname = current_database())
order by s.total_exec_time desc limit ${SHOWN}`;

type Server = Pick<DatabaseReport, 'server_version' | 'size_bytes' | 'statistics_since' | 'deadlocks' | 'cache_hit_ratio'> & {
  max: number;
  used: number;
};

/** Size of this database in MB. */
export async function databaseSizeMb(em: Em): Promise<number> {
  const rows = await query<{ mb: number }>(em, 'select (pg_database_size(current_database()) / 1048576)::float8 as mb');
  return rows[0]?.mb ?? 0;
}

/** State of the database as PostgreSQL's own statistics have it, with advice. Reads no table of ours. `warn_mb`: size from which it warns, 0: never. */
export async function reportDatabase(em: Em, warn_mb = 0): Promise<DatabaseReport> {
  const [found] = await query<Server>(em, SERVER);
  const { max, used, ...server } = found as Server;
  const by_application = await query<DatabaseReport['connections']['by_application'][number]>(em, BY_APPLICATION);
  const [oldest] = await query<NonNullable<DatabaseReport['oldest_transaction']>>(em, OLDEST);
  const tables = await query<DatabaseReport['tables'][number]>(em, TABLES);
  const indexes = await query<DatabaseReport['indexes'][number]>(em, INDEXES);
  const state = { connections: used, max_connections: max, oldest_transaction_s: oldest?.age_s ?? 0 };
  return {
    checked_at: new Date().toISOString(),
    ...server,
    connections: { used, max, by_application },
    oldest_transaction: oldest ?? null,
    tables,
    indexes,
    unused_indexes: indexes.filter(({ scans, needed }) => scans === 0 && !needed).map(({ name }) => name),
    slow_statements: await slowStatements(em),
    advice: [
      ...adviceForSize(server.size_bytes, warn_mb),
      ...adviceForServer(state),
      ...tables.flatMap(adviceForTable),
      ...adviceForIndexes(indexes),
    ],
  };
}

/** SQLSTATE of an extension that the server was not started with, and of one that this role may not read. */
const UNREADABLE = new Set(['55000', '42501']);

async function serverStatements(em: Em): Promise<SlowStatement[] | null> {
  const [extension] = await query<{ schema: string }>(em, EXTENSION);
  if (!extension) return null;
  try {
    return await query<SlowStatement>(em, statementsIn(extension.schema));
  } catch (cause) {
    if (UNREADABLE.has((cause as { code?: string }).code ?? '')) return null;
    throw cause;
  }
}

async function slowStatements(em: Em): Promise<DatabaseReport['slow_statements']> {
  const items = await serverStatements(em);
  return items ? { source: 'pg_stat_statements', items } : { source: 'this_process', items: ownStatements(em) };
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

function ownStatements(em: Em): SlowStatement[] {
  const worst = slowLogOf(em)?.worst() ?? [];
  return worst.slice(0, SHOWN).map(({ statement, calls, total_ms, max_ms }) => ({
    statement,
    calls,
    mean_ms: round(total_ms / calls),
    max_ms: round(max_ms),
    total_ms: round(total_ms),
  }));
}
