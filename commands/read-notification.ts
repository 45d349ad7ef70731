import { EngineError } from '../core/errors.ts';
import { findNotification } from '../entities/notice.queries.ts';
import { query } from '../entities/sql.ts';
import type { Notification } from '../schemas/notice.ts';
import { type CommandContext, seesAll } from './context.ts';

/**
 * Notes that a notification was read; the first time counts. What somebody has read is no operation of the engine and leaves no audit row.
 * @throws EngineError not_found, also for others'
 */
export async function readNotification(ctx: CommandContext, id: number): Promise<Notification> {
  const scope = { user_id: seesAll(ctx.actor) ? null : ctx.actor.id };
  const sql = `update notifications set read_at = clock_timestamp() where id = $1 and read_at is null and ($2::int8 is null or user_id = $2)`;
  await query(ctx.em, sql, [id, scope.user_id]);
  const notification = await findNotification(ctx.em, id, scope);
  if (!notification) throw new EngineError('not_found', `notification ${id}: there is none`);
  return notification;
}
