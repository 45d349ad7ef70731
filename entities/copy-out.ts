import type { Pool, PoolClient } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Em } from './sql.ts';

/** The pool that the entity manager's connections come from. */
async function poolOf(em: Em): Promise<Pool> {
  return (await (em.getConnection() as unknown as { getNativeClient(): Promise<Pool> }).getNativeClient()) as Pool;
}

async function prepare(client: PoolClient, settings: Readonly<Record<string, string>>): Promise<void> {
  await client.query('begin read only');
  for (const [name, value] of Object.entries(settings))
    await client.query('select set_config($1, $2, true)', [`orchestrator.${name}`, value]);
}

async function collect(client: PoolClient, sql: string): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(sql)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks;
}

/**
 * Runs a `COPY … TO STDOUT` and gives its bytes as they came: for text that is passed on unread, of which no strings are made. COPY takes no parameters;
 * what varies comes as settings of the transaction, which `sql` reads as `current_setting('orchestrator.<name>')`. Keep it short: the bytes are kept
 * until it ends, and so is the connection.
 */
export async function copyOut(em: Em, sql: string, settings: Readonly<Record<string, string>>): Promise<Buffer[]> {
  const client = await (await poolOf(em)).connect();
  let broken: Error | undefined;
  try {
    await prepare(client, settings);
    const chunks = await collect(client, sql);
    await client.query('commit');
    return chunks;
  } catch (cause) {
    broken = cause as Error;
    throw cause;
  } finally {
    client.release(broken);
  }
}
