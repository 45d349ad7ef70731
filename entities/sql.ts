import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/** The entity manager that the whole project passes around: PostgreSQL's, with `getKysely()`. */
export type Em = EntityManager;

/**
 * Runs one SQL statement of a hot path with bound parameters ($1, $2, …), inside the entity manager's transaction when there is one.
 * Rows come as node-postgres gives them here: bigint, numeric and times as text. Cast numbers in SQL (`::float8`, `::int4`).
 */
export async function query<Row = Record<string, unknown>>(em: Em, text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const result = await em.getKysely().executeQuery(CompiledQuery.raw(text, [...parameters]));
  return result.rows as Row[];
}
