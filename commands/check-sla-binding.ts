import { EngineError } from '../core/errors.ts';
import { type AtRisk, appliesTo, type Member, type Scope } from '../core/sla.ts';
import { type Em, query } from '../entities/sql.ts';
import { type CommandContext, seesAll } from './context.ts';

/** What an SLA is about to be attached to. `pointer`: where the request names it. */
export type Binding = { sla_id?: number | null | undefined; scope: Scope; pointer?: string };

/** A change as entities spell it. */
export function withSla<T extends object>(change: T & { sla_id?: number | null | undefined }) {
  const { sla_id, ...rest } = change;
  return sla_id === undefined ? rest : { ...rest, sla: sla_id };
}

const refused = (pointer: string, detail: string): EngineError =>
  new EngineError('invalid_input', `sla_id: ${detail}`, { errors: [{ pointer, detail }] });

/**
 * Checks that an SLA may be attached: it is there, it is the actor's own or the actor is an operator (it acts with its owner's rights), and some of its conditions can be
 * evaluated there. Null and undefined pass.
 * @throws EngineError invalid_input with a pointer
 */
export async function checkBinding(
  ctx: Pick<CommandContext, 'em' | 'actor'>,
  { sla_id, scope, pointer = '/sla_id' }: Binding,
): Promise<void> {
  if (sla_id === null || sla_id === undefined) return;
  const sql = `select conditions from slas where id = $1 and deleted_at is null and ($2 or user_id = $3) for key share`;
  const [sla] = await query<{ conditions: (Member | AtRisk)[] }>(ctx.em, sql, [sla_id, seesAll(ctx.actor), ctx.actor.id]);
  if (!sla) throw refused(pointer, `SLA ${sla_id}: there is none`);
  if (!sla.conditions.some((condition) => appliesTo(condition, scope)))
    throw refused(pointer, `SLA ${sla_id}: none of its conditions can be evaluated for a ${scope}`);
}

/**
 * Refuses templates whose SLAs have each other run in a ring: what a breach runs would breach, and run the first again. Called after the change, in its transaction.
 * @param sla_id only rings through this SLA are looked for
 * @throws EngineError invalid_input
 */
export async function refuseCycles(em: Em, sla_id: number, pointer?: string): Promise<void> {
  const [ring] = await query<{ no: number; template: string; line: string[] }>(em, RING, [sla_id]);
  if (!ring) return;
  const detail = `runs template "${ring.template}" in a ring: ${ring.line.join(' → ')}`;
  const where = pointer ?? `/actions/${ring.no}/template`;
  throw new EngineError('invalid_input', `${where}: ${detail}`, { errors: [{ pointer: where, detail }] });
}

const RING = `
with recursive runs as (
  select t.name as source, a.no, a.args->>'template' as target, s.id as sla
  from slas s join templates t on t.sla_id = s.id join sla_versions v on v.sla_id = s.id and v.version = s.current_version
    join sla_actions a on a.sla_version_id = v.id and a.kind = 'run_template' where s.deleted_at is null),
line as (
  select no, source as first, target as last, target as template, array[source, target] as line from runs where sla = $1
  union all
  select l.no, l.first, r.target, l.template, l.line || r.target from line l join runs r on r.source = l.last
  where l.last <> l.first and r.target <> all(l.line[2:]) and cardinality(l.line) < 50)
select no, template, line from line where last = first order by cardinality(line), no limit 1`;
