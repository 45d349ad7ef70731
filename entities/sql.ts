import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';
import { timed } from './slow-log.ts';

/** The entity manager that the whole project passes around: PostgreSQL's, with `getKysely()`. */
export type Em = EntityManager;

/**
 * Lets the transaction that runs it commit without waiting for the disk, as far as `unless` (SQL, true: wait) allows. For writes that may be lost with the last half
 * second when the database server itself dies, because nothing depends on them that is not lost as well: docs/adr/0022-commits-that-do-not-wait.md.
 */
export const relaxedCommit = (unless = 'false'): string =>
  `set_config('synchronous_commit', case when ${unless} then current_setting('synchronous_commit') else 'off' end, true)`;

const names = new Map<string, string>();
/** Commands such as `set` or `vacuum` gain nothing from a plan. */
const PREPARABLE = /^\s*(select|with|insert|update|delete)\b/i;

/** Statement texts are constants of the code, so there are as many names as there are call sites. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (!name) {
    name = `orch_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
    names.set(text, name);
  }
  return name;
}

/**
 * Runs one SQL statement of a hot path with bound parameters ($1, $2, …), inside the entity manager's transaction when there is one.
 * Statements are prepared under a name, once per connection: planning the large ones costs more than running them. `text` must
 * therefore be a constant; what varies is a parameter. Kysely hands its text to node-postgres unseen, which takes a named statement in its place.
 * Rows come as node-postgres gives them here: bigint, numeric and times as text. Cast numbers in SQL (`::float8`, `::int4`).
 */
export async function query<Row = Record<string, unknown>>(em: Em, text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const prepared = PREPARABLE.test(text) ? ({ name: nameOf(text), text } as unknown as string) : text;
  return await send<Row>(em, { text, prepared }, parameters);
}

/** As `query`, without preparing it: for statements that are put together from parts, such as filtered lists. */
export async function queryOnce<Row = Record<string, unknown>>(em: Em, text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  return await send<Row>(em, { text, prepared: text }, parameters);
}

async function send<Row>(em: Em, statement: { text: string; prepared: string }, parameters: readonly unknown[]): Promise<Row[]> {
  const compiled = CompiledQuery.raw(statement.prepared, [...parameters]);
  const result = await timed(em, statement.text, () => em.getKysely().executeQuery(compiled));
  return result.rows as Row[];
}
