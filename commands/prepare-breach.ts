import { type Em, query } from '../entities/sql.ts';
import { findBreachRow } from './breach-row.ts';

/** An action by its number, in the order in which they are done. */
export type PlannedAction = { no: number; kind: string };

/**
 * Decides, once, whether a breach comes in the cool-down of another one of its SLA, condition, stage and scope, and says what it has to do. Of breaches that happen together the first
 * one to be decided tells.
 */
export async function prepareBreach(em: Em, breach_id: string): Promise<PlannedAction[]> {
  await em.transactional(async (tx) => await coolDown(tx as Em, breach_id));
  return await query<PlannedAction>(em, 'select no, kind from breach_actions where breach_id = $1 order by no', [breach_id]);
}

async function coolDown(em: Em, id: string): Promise<void> {
  const breach = await findBreachRow(em, id);
  if (!breach || breach.cooled !== null) return;
  const { sla_id, condition, stage, scope, cooldown_s } = breach;
  if (cooldown_s > 0)
    await query(em, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [`sla cool ${sla_id} ${condition} ${stage} ${scope}`]);
  await query(em, DECIDE, [id, cooldown_s]);
}

const DECIDE = `
update breaches b set cooled = $2 > 0 and exists (
    select 1 from breaches o where o.sla_id = b.sla_id and o.scope = b.scope and o.condition = b.condition and o.stage = b.stage and o.id <> b.id and o.cooled = false
      and abs(extract(epoch from o.fired_at - b.fired_at)) < $2)
where b.id = $1 and b.cooled is null`;
