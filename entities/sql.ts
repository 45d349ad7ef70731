import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/** The entity manager that the whole project passes around: PostgreSQL's, with `getKysely()`. */
export type Em = EntityManager;

/**
 * Runs one SQL statement of a hot path with bound parameters ($1, $2, …), inside the entity manager's transaction when there is one.
 * Rows come as node-postgres gives them here: bigint, numeric and times as text. Cast in SQL (`::float8`, `::int4`) or use `instant`.
 */
export async function query<Row = Record<string, unknown>>(em: Em, text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const result = await em.getKysely().executeQuery(CompiledQuery.raw(text, [...parameters]));
  return result.rows as Row[];
}

/** A time as PostgreSQL prints it, as a Date; null stays null. */
export const instant = <T extends string | null>(text: T): T extends null ? null : Date =>
  (text === null ? null : new Date(text)) as T extends null ? null : Date;
