import { query } from '../entities/sql.ts';
import type { ApiKey } from '../schemas/user.ts';
import { newApiKey } from './api-key.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Gives a user a new key, which only this answer shows. The one before stays valid for `graceS` seconds, older ones end now.
 * @throws EngineError not_found
 */
export async function rotateApiKey(ctx: CommandContext, id: number, graceS: number): Promise<ApiKey> {
  return await audited(ctx, { action: 'user.rotate_key', subject_type: 'user', subject_id: String(id) }, async (em) => {
    await lockRow(em, 'users', id);
    const { key, hash } = newApiKey(id);
    const rows = await query<{ until: string | null }>(em, ROTATE, [id, hash, graceS]);
    const until = rows[0]?.until ? new Date(rows[0].until).toISOString() : null;
    return { before: null, after: { previous_valid_until: until }, result: { api_key: key, previous_valid_until: until } };
  });
}

const ROTATE = `update users set api_key = $2,
    previous_api_key = case when $3 > 0 then api_key end,
    previous_api_key_until = case when $3 > 0 and api_key is not null then now() + make_interval(secs => $3) end
  where id = $1 returning previous_api_key_until as until`;
