import { EngineError } from '../core/errors.ts';
import { checkZone } from '../core/zones.ts';
import { findAlertRule } from '../entities/alert-list.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { AlertRule, AlertRuleChange, AlertRuleCreation } from '../schemas/alert.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';

const noRule = (id: number): EngineError => new EngineError('not_found', `alert rule ${id}: there is none`);

/** @throws EngineError not_found */
export async function alertRule(em: Em, id: number): Promise<AlertRule> {
  const rule = await findAlertRule(em, id);
  if (!rule) throw noRule(id);
  return rule;
}

const JSONB = new Set(['schedule', 'channels']);
const bound = ([column, value]: [string, unknown]): unknown => (JSONB.has(column) && value !== null ? JSON.stringify(value) : value);

/** Other names are refused, whoever makes rules at the same moment. */
async function refuseTakenName(em: Em, name: string | undefined, id: number): Promise<void> {
  await query(em, `select pg_advisory_xact_lock(hashtext('orchestrator.alert_rules'))`);
  const taken = await query(em, 'select 1 from alert_rules where name = $1 and id <> $2', [name ?? null, id]);
  if (taken.length > 0) throw new EngineError('conflict', `alert rule "${name}": the name is taken`);
}

/**
 * Makes a rule, for violations that begin from now on.
 * @throws EngineError conflict: the name is taken; invalid_input: no such time zone
 */
export async function createAlertRule(ctx: CommandContext, rule: AlertRuleCreation): Promise<AlertRule> {
  if (rule.schedule) checkZone(rule.schedule.timezone);
  return await audited(ctx, { action: 'alert_rule.create', subject_type: 'alert_rule', subject_id: null }, async (em) => {
    await refuseTakenName(em, rule.name, 0);
    const columns = Object.entries(rule);
    const sql = `insert into alert_rules (user_id, ${columns.map(([column]) => column).join(', ')})
      values ($1, ${columns.map((_, i) => `$${i + 2}`).join(', ')}) returning id::float8 as id`;
    const [row] = await query<{ id: number }>(em, sql, [ctx.actor.id, ...columns.map(bound)]);
    const made = await alertRule(em, row?.id ?? 0);
    return { before: null, after: made, result: made, subject_id: String(made.id) };
  });
}

/**
 * Changes a rule. Its webhooks are signed with secrets of whoever changed it last. Alerts under way go where they were to go.
 * @throws EngineError not_found; conflict: the name is taken; invalid_input: no such time zone
 */
export async function changeAlertRule(ctx: CommandContext, id: number, change: AlertRuleChange): Promise<AlertRule> {
  if (change.schedule) checkZone(change.schedule.timezone);
  return await audited(ctx, { action: 'alert_rule.change', subject_type: 'alert_rule', subject_id: String(id) }, async (em) => {
    await refuseTakenName(em, change.name, id);
    await query(em, 'select 1 from alert_rules where id = $1 for no key update', [id]);
    const before = await alertRule(em, id);
    const columns = Object.entries(change);
    const sql = `update alert_rules set user_id = $2, ${columns.map(([column], i) => `${column} = $${i + 3}`).join(', ')} where id = $1`;
    await query(em, sql, [id, ctx.actor.id, ...columns.map(bound)]);
    const after = await alertRule(em, id);
    return { before, after, result: after };
  });
}

/** In the order in which whoever decides or delivers takes them. */
const LOCKS = [
  `select 1 from alert_history where rule_id = $1 and delivery = 'pending' order by id for no key update`,
  'select 1 from alert_states where rule_id = $1 order by camera_id for update',
];

/** Removes a rule; its alerts stay in the history. @throws EngineError not_found */
export async function deleteAlertRule(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'alert_rule.delete', subject_type: 'alert_rule', subject_id: String(id) }, async (em) => {
    const before = await alertRule(em, id);
    for (const lock of LOCKS) await query(em, lock, [id]);
    const gone = await query(em, 'delete from alert_rules where id = $1 returning id', [id]);
    if (gone.length === 0) throw noRule(id);
    return { before, after: null, result: undefined };
  });
}
