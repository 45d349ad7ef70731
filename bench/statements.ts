import pg from 'pg';

/** One kind of statement, summed over everything executed since the last reset. `calls` and `ms` (server time); `text` on one line. */
export type StatementUse = { calls: number; ms: number; rows: number; text: string };

/** Settings of PostgreSQL that make it count statements; they cost a little, so only profiling uses them. */
export const COUNTING: Record<string, string> = {
  'pg_stat_statements.track': 'all',
  'pg_stat_statements.track_planning': 'on',
  compute_query_id: 'on',
};

const USES = `
select calls::int4 as calls, total_exec_time + total_plan_time as ms, rows::int4 as rows, regexp_replace(query, '\\s+', ' ', 'g') as text
from monitoring.pg_stat_statements where calls > 0 order by ms desc limit 40`;

async function ask<T extends pg.QueryResultRow>(database_url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: database_url, application_name: 'bench statements' });
  await client.connect();
  return await client
    .query<T>(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

/** Needs a server started with `COUNTING`. */
export async function startCounting(database_url: string): Promise<void> {
  await ask(database_url, 'select monitoring.pg_stat_statements_reset()');
}

/** The 40 kinds of statements that took the most time, the greatest first. */
export const statementUses = async (database_url: string): Promise<StatementUse[]> => await ask<StatementUse>(database_url, USES);
