import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { type CommandContext, seesAll } from './context.ts';

export const noSla = (id: number): EngineError => new EngineError('not_found', `SLA ${id}: there is none`);

export type LockedSla = { id: number; name: string; user_id: number | null; current_version: number; enabled: boolean };

/** Locks an SLA for somebody who asks to change it. @throws EngineError not_found, also for others' */
export async function lockOwnSla(em: Em, ctx: CommandContext, id: number): Promise<LockedSla> {
  const sql = `select id, name, user_id::int4 as user_id, current_version, enabled from slas
    where id = $1 and deleted_at is null and ($2 or user_id = $3) for no key update`;
  const [row] = await query<LockedSla>(em, sql, [id, seesAll(ctx.actor), ctx.actor.id]);
  if (!row) throw noSla(id);
  return row;
}
