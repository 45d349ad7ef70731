import pg from 'pg';

/**
 * Does something while holding a named lock of the whole database, if nobody else holds it. On a connection of its own, so the lock goes with
 * the process that dies.
 * @returns false when somebody else is at it
 */
export async function withLock(database_url: string, name: string, work: () => Promise<void>): Promise<boolean> {
  const client = new pg.Client({
    connectionString: database_url,
    application_name: `orchestrator lock ${name}`,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock(hashtext($1)) as held', [name]);
    if (!rows[0]?.held) return false;
    await work();
    return true;
  } finally {
    await client.end().catch(() => undefined);
  }
}
