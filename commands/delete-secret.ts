import { findSecret } from '../entities/secret.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Forgets a secret. Tasks that refer to it fail from now on.
 * @throws EngineError not_found
 */
export async function deleteSecret(ctx: CommandContext, name: string): Promise<void> {
  await audited(ctx, { action: 'secret.delete', subject_type: 'secret', subject_id: name }, async (em) => {
    await lockRow(em, 'secrets', name);
    const before = await findSecret(em, name);
    await query(em, 'delete from secrets where name = $1', [name]);
    return { before, after: null, result: undefined };
  });
}
