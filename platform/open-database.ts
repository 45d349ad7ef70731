import pg from 'pg';
import { EngineError } from '../core/errors.ts';

/** The address without its password, for messages. */
function withoutPassword(url: string): string {
  const parsed = new URL(url);
  return `${parsed.hostname}:${parsed.port || 5432}${parsed.pathname}`;
}

/**
 * A session of its own, without time limits, for what takes long or holds a lock; the caller ends it. A server that goes away fails the next query.
 * @throws EngineError unavailable: nobody answers there, or the password does not open it
 */
export async function openDatabase(url: string, application_name: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name, connectionTimeoutMillis: 10_000, keepAlive: true });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    await client.end().catch(() => undefined);
    throw new EngineError(
      'unavailable',
      `database ${withoutPassword(url)}: cannot connect; expected a PostgreSQL 18 that this address and password open`,
      { cause },
    );
  }
}
