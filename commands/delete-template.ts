import { EngineError } from '../core/errors.ts';
import { query } from '../entities/sql.ts';
import { findTemplate } from '../entities/template.queries.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRowToDelete } from './lock-row.ts';

/**
 * Removes a template with its versions, as long as no task was ever made from it.
 * @throws EngineError not_found; conflict: tasks refer to it
 */
export async function deleteTemplate(ctx: CommandContext, name: string): Promise<void> {
  await audited(ctx, { action: 'template.delete', subject_type: 'template', subject_id: name }, async (em) => {
    await lockRowToDelete(em, 'templates', name);
    const before = await findTemplate(em, name);
    const used = await query(em, 'select 1 from tasks where template = $1 limit 1', [name]);
    if (used.length > 0) throw new EngineError('conflict', `template "${name}": cannot be deleted, tasks refer to it`);
    await query(em, 'delete from template_versions where template = $1', [name]);
    await query(em, 'delete from templates where name = $1', [name]);
    return { before, after: null, result: undefined };
  });
}
