import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Ends all keys of a user, those in their grace period included.
 * @throws EngineError not_found
 */
export async function revokeApiKey(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'user.revoke_key', subject_type: 'user', subject_id: String(id) }, async (em) => {
    await lockRow(em, 'users', id);
    await query(em, 'update users set api_key = null, previous_api_key = null, previous_api_key_until = null where id = $1', [id]);
    return { before: null, after: null, result: undefined };
  });
}
