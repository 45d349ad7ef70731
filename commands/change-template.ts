import { query } from '../entities/sql.ts';
import { findTemplate } from '../entities/template.queries.ts';
import type { Template, TemplateChange } from '../schemas/template.ts';
import { audited } from './audited.ts';
import { checkBinding, refuseCycles } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Changes what is not part of a template's versions: the SLA that holds for its tasks.
 * @throws EngineError not_found; invalid_input: no such SLA, none for a template, or templates would run each other in a ring
 */
export async function changeTemplate(ctx: CommandContext, name: string, { sla_id }: TemplateChange): Promise<Template> {
  return await audited(ctx, { action: 'template.change', subject_type: 'template', subject_id: name }, async (em) => {
    await lockRow(em, 'templates', name);
    const before = await findTemplate(em, name);
    await checkBinding({ em, actor: ctx.actor }, { sla_id, scope: 'template' });
    await query(em, 'update templates set sla_id = $2 where name = $1', [name, sla_id]);
    if (sla_id !== null) await refuseCycles(em, sla_id, '/sla_id');
    const template = (await findTemplate(em, name)) as Template;
    return { before, after: template, result: template };
  });
}
