import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Actor } from './context.ts';

type Row = Actor & { is_active: boolean };

/**
 * A user with the rights of this moment, in whose name something is done later than it was asked for.
 * @throws EngineError forbidden: the user was deactivated
 */
export async function actingUser(em: Em, id: number): Promise<Actor> {
  const sql = 'select id::int4 as id, username, role, rights, is_active from users where id = $1';
  const [row] = await query<Row>(em, sql, [id]);
  if (!row?.is_active) throw new EngineError('forbidden', `user "${row?.username ?? id}": is not active`);
  const { is_active: _, ...actor } = row;
  return actor;
}
