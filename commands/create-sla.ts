import { EngineError } from '../core/errors.ts';
import { findSla } from '../entities/sla.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import { normalised, type Sla, type SlaCreation } from '../schemas/sla.ts';
import { audited } from './audited.ts';
import { checkSla, type SlaContext } from './check-sla.ts';
import { insertSlaVersion } from './insert-sla-version.ts';

/**
 * Makes an SLA that belongs to its maker and acts with the maker's rights. It applies to nothing until it is attached.
 * @throws EngineError invalid_input, forbidden: see `checkSla`; conflict: the name is taken
 */
export async function createSla(ctx: SlaContext, creation: SlaCreation): Promise<Sla> {
  await checkSla(ctx, creation);
  const text = { ...creation, conditions: normalised(creation.conditions) };
  return await audited(ctx, { action: 'sla.create', subject_type: 'sla', subject_id: null }, async (em) => {
    const id = await insertHead(em, { ...text, user_id: ctx.actor.id });
    await insertSlaVersion(em, { sla_id: id, version: 1, text });
    const sla = (await findSla(em, id, { user_id: null })) as Sla;
    return { before: null, after: sla, result: sla, subject_id: String(id) };
  });
}

async function insertHead(em: Em, head: SlaCreation & { user_id: number }): Promise<number> {
  const { name, description, conditions, actions, priority, cooldown_s, enabled, user_id } = head;
  const values = [name, description, JSON.stringify(conditions), JSON.stringify(actions), priority, cooldown_s, enabled, user_id];
  const [row] = await query<{ id: number }>(em, INSERT, values);
  if (!row) throw new EngineError('conflict', `SLA "${name}": exists already`);
  return row.id;
}

const INSERT = `insert into slas (name, description, conditions, actions, priority, cooldown_s, enabled, user_id)
  values ($1, $2, $3::jsonb, $4::jsonb, $5, $6, $7, $8) on conflict do nothing returning id`;
