import type { Config } from '../config/env.ts';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import { parseOutboundAllow } from '../core/outbound.ts';
import { type AtRisk, leavesOf, type Member } from '../core/sla.ts';
import { checkZone } from '../core/zones.ts';
import type { Engines } from '../engines/define-engine.ts';
import { refusalOfUrl } from '../engines/outbound-check.ts';
import { webhookKey } from '../engines/outbound-webhook.ts';
import { query } from '../entities/sql.ts';
import type { SlaAction } from '../schemas/sla-action.ts';
import type { SlaCondition } from '../schemas/sla-condition.ts';
import type { TaskSubmission } from '../schemas/task.ts';
import { type CommandContext, seesAll } from './context.ts';
import { prepareTasks } from './prepare-tasks.ts';
import { resolveSecret } from './resolve-secret.ts';
import type { Vault } from './secrets-vault.ts';

/** What judging an SLA needs besides who asks. */
export type SlaContext = CommandContext & { config: Pick<Config, 'OUTBOUND_ALLOW' | 'SMTP_URL'>; vault: Vault; engines: Engines };

/** What an action of one kind may be wrong about; pointers below the action. */
type Check = (ctx: SlaContext, action: never) => Promise<FieldProblem[]>;
type Of<K extends SlaAction['do']> = Extract<SlaAction, { do: K }>;

const problem = (pointer: string, detail: string): FieldProblem[] => [{ pointer, detail }];

/**
 * Refuses what only the surroundings tell to be wrong with an SLA: names that are not there, addresses that must not be reached, secrets that are not granted,
 * actions beyond the owner's rights.
 * @throws EngineError invalid_input; forbidden: actions on shared things by one who may not act on them. Pointers into `/conditions` and `/actions`
 */
export async function checkSla(
  ctx: SlaContext,
  { conditions, actions }: { conditions: SlaCondition[]; actions: SlaAction[] },
): Promise<void> {
  const errors: FieldProblem[] = [];
  for (const [n, condition] of conditions.entries()) errors.push(...below(`/conditions/${n}`, await conditionProblems(ctx, condition)));
  for (const [n, action] of actions.entries()) errors.push(...below(`/actions/${n}`, await actionProblems(ctx, action)));
  if (errors[0]) throw new EngineError('invalid_input', `${errors[0].pointer}: ${errors[0].detail}`, { errors: errors.slice(0, 100) });
}

const below = (pointer: string, errors: readonly FieldProblem[]): FieldProblem[] =>
  errors.map((error) => ({ pointer: pointer + error.pointer, detail: error.detail }));

async function conditionProblems(ctx: SlaContext, condition: SlaCondition): Promise<FieldProblem[]> {
  const found: FieldProblem[] = [];
  for (const leaf of leavesOf(condition as Member | AtRisk)) {
    if (leaf.kind === 'deadline' && leaf.timezone !== undefined) found.push(...zoneProblems(leaf.timezone));
    if (leaf.kind === 'assertion') found.push(...(await pathProblems(ctx, leaf.that)));
  }
  const inside = condition.kind === 'all' || condition.kind === 'any';
  return inside ? found.map(({ detail }) => ({ pointer: '/of', detail })) : found;
}

function zoneProblems(zone: string): FieldProblem[] {
  try {
    checkZone(zone);
    return [];
  } catch (error) {
    return (error as EngineError).errors;
  }
}

/** Regular expressions are kept out: they are the one part of the path language whose cost nobody can bound. */
async function pathProblems({ em }: SlaContext, path: string): Promise<FieldProblem[]> {
  const [row] = await query<{ valid: boolean }>(em, `select pg_input_is_valid($1, 'jsonpath') as valid`, [path]);
  if (!row?.valid)
    return problem('/that', `must be an SQL/JSON path predicate such as $.result.rows > 0, got ${JSON.stringify(path.slice(0, 80))}`);
  return /like_regex/i.test(path) ? problem('/that', 'must not use like_regex') : [];
}

async function actionProblems(ctx: SlaContext, action: SlaAction): Promise<FieldProblem[]> {
  return (await (CHECKS[action.do] as Check | undefined)?.(ctx, action as never)) ?? [];
}

const CHECKS: Partial<Record<SlaAction['do'], Check>> = {
  webhook: async (ctx, action: Of<'webhook'>) => [...(await urlProblems(ctx, action)), ...(await secretProblems(ctx, action))],
  email: async ({ config }) => (config.SMTP_URL === undefined ? problem('/do', 'mail is not configured here (SMTP_URL)') : []),
  move_queue: async (ctx, { queue }: Of<'move_queue'>) => await missing(ctx, 'queues', { field: 'queue', name: queue }),
  hold_queue: async (ctx, { queue }: Of<'hold_queue'>) => [
    ...operators(ctx),
    ...(await missing(ctx, 'queues', { field: 'queue', name: queue })),
  ],
  resize_pool: async (ctx, { pool }: Of<'resize_pool'>) => [
    ...operators(ctx),
    ...(await missing(ctx, 'pools', { field: 'pool', name: pool })),
  ],
  pause_schedule: async (ctx, { schedule }: Of<'pause_schedule'>) => await foreignSchedule(ctx, schedule),
  run_template: async (ctx, action: Of<'run_template'>) => await templateProblems(ctx, action),
};

const operators = ({ actor }: SlaContext): FieldProblem[] =>
  seesAll(actor) ? [] : problem('/do', 'acts on something shared, which is for operators');

async function missing(
  { em }: SlaContext,
  table: 'queues' | 'pools',
  { field, name }: { field: string; name: string | undefined },
): Promise<FieldProblem[]> {
  if (name === undefined) return [];
  const found = await query(em, table === 'queues' ? 'select 1 from queues where name = $1' : 'select 1 from pools where name = $1', [
    name,
  ]);
  return found.length > 0 ? [] : problem(`/${field}`, `${field} "${name}": there is none`);
}

async function foreignSchedule({ em, actor }: SlaContext, id: string | undefined): Promise<FieldProblem[]> {
  if (id === undefined) return [];
  const sql = 'select 1 from schedules where id = $1 and deleted_at is null and ($2 or user_id = $3)';
  const found = await query(em, sql, [id, seesAll(actor), actor.id]);
  return found.length > 0 ? [] : problem('/schedule', `schedule ${id}: there is none`);
}

async function urlProblems({ config }: SlaContext, { url }: Of<'webhook'>): Promise<FieldProblem[]> {
  const refusal = await refusalOfUrl(url, parseOutboundAllow(config.OUTBOUND_ALLOW));
  return refusal === null ? [] : problem('/url', `${refusal}; only public addresses and those of OUTBOUND_ALLOW are reached`);
}

async function secretProblems({ em, vault, actor }: SlaContext, { url, secrets }: Of<'webhook'>): Promise<FieldProblem[]> {
  const host = URL.parse(url)?.hostname ?? '';
  const found: FieldProblem[] = [];
  for (const [n, name] of secrets.entries()) {
    try {
      webhookKey(await resolveSecret(em, vault, { name, user_id: actor.id, host }));
    } catch (error) {
      if (!(error instanceof EngineError) || error.code === 'internal') throw error;
      found.push({ pointer: `/secrets/${n}`, detail: error.message });
    }
  }
  return found;
}

/** Whether it could be submitted now, but for what may pass: queues that are full or closed. */
async function templateProblems(ctx: SlaContext, { template, parameters, queue, priority }: Of<'run_template'>): Promise<FieldProblem[]> {
  const item = { template, parameters, tags: {}, queue, priority } as TaskSubmission;
  try {
    await prepareTasks(ctx, [{ item, index: 0 }], ctx.engines);
    return [];
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === 'conflict' || error.code === 'too_many') return [];
    return error.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0/, ''), detail }));
  }
}
