import { EngineError } from '../core/errors.ts';
import type { SlaActionReport } from '../core/workflow-contract.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import { sqlState } from '../entities/sql-state.ts';
import { ACTIONS, type Act, type ActionKind, actOf, type Effect, sharedTarget } from './breach-actions.ts';
import { type BreachRow, findBreachRow } from './breach-row.ts';

/** Which action of which breach. */
export type ActionRef = { breach_id: string; no: number };

type ActionRow = ActionRef & { kind: ActionKind; args: Record<string, unknown>; state: SlaActionReport['state']; code: string | null };
type End = {
  state: 'done' | 'skipped' | 'suppressed' | 'failed';
  code?: string;
  detail?: string;
  result?: Record<string, unknown>;
  delivery_id?: string;
  target?: string | null;
};

/** These end an attempt or a task: the first one wins. */
const TERMINAL: ReadonlySet<string> = new Set<ActionKind>(['cancel', 'fail', 'retry']);
/** These tell somebody or change what others share: a cool-down keeps them back. */
const COOLED: ReadonlySet<string> = new Set<ActionKind>([
  'notify',
  'webhook',
  'email',
  'run_template',
  'hold_queue',
  'resize_pool',
  'pause_schedule',
]);

/** Seconds in which the same change of a shared thing is not made again. */
const SAME_S = 60;
/** An action of a higher SLA is waited for while its breach is so young. */
const WAIT_S = 300;

/**
 * Does one action of a breach, once: the transaction that has the effect also records the end, and whoever comes later finds it recorded. Refusals are ends too; what may
 * pass (a lost connection, a deadlock) is thrown, and everything is done again.
 */
export async function actOnBreach(em: Em, ref: ActionRef, engines: Engines): Promise<SlaActionReport> {
  await query(em, TRY, [ref.breach_id, ref.no]);
  return await em.transactional(async (tx) => {
    const action = await lockAction(tx as Em, ref);
    const breach = await findBreachRow(tx as Em, ref.breach_id);
    if (!action || !breach) return { no: ref.no, kind: action?.kind ?? '', state: 'gone', code: null };
    const { state, code } = await actOnce(tx as Em, { action, breach, engines });
    return { no: ref.no, kind: action.kind, state, code };
  });
}

async function actOnce(em: Em, { action, breach, engines }: Case): Promise<Pick<ActionRow, 'state' | 'code'>> {
  if (action.state !== 'waiting') return action;
  if (TERMINAL.has(action.kind) && (await mustWait(em, breach, action.no))) return action;
  const end = await endOf(em, { action, breach, engines });
  await store(em, action, end);
  return { state: end.state, code: end.code ?? null };
}

const TRY = `update breach_actions set tries = tries + 1, started_at = coalesce(started_at, clock_timestamp())
  where breach_id = $1 and no = $2 and state = 'waiting'`;

async function lockAction(em: Em, { breach_id, no }: ActionRef): Promise<ActionRow | undefined> {
  const sql = 'select breach_id, no, kind, args, state, code from breach_actions where breach_id = $1 and no = $2 for no key update';
  return (await query<ActionRow>(em, sql, [breach_id, no]))[0];
}

/** Of SLAs that would end the same task, the one of the higher priority goes first, then the one that was due first. */
async function mustWait(em: Em, { id, task_id }: BreachRow, no: number): Promise<boolean> {
  if (task_id === null) return false;
  return (await query(em, AHEAD, [id, no, task_id, [...TERMINAL], WAIT_S])).length > 0;
}

const AHEAD = `
select 1 from breaches me join sla_versions mv on mv.id = me.sla_version_id, breaches b join sla_versions v on v.id = b.sla_version_id
  join breach_actions a on a.breach_id = b.id and a.state = 'waiting' and a.kind = any($4)
where me.id = $1 and b.task_id = $3 and b.fired_at > clock_timestamp() - make_interval(secs => $5)
  and (-v.priority, b.due_at, b.id, a.no) < (-mv.priority, me.due_at, me.id, $2)
limit 1`;

type Case = { action: ActionRow; breach: BreachRow; engines: Engines };

async function endOf(em: Em, { action, breach, engines }: Case): Promise<End> {
  const { kind, args, no } = action;
  if (breach.cooled && COOLED.has(kind)) return { state: 'suppressed', code: 'cooldown' };
  try {
    return await em.transactional(async (tx) => {
      const act = await actOf(tx as Em, { breach, no, engines });
      const { target, earlier } = await rival(act, action);
      if (earlier) return { state: 'suppressed', ...earlier };
      return { ...(await perform(await fresh(act), kind, args)), target };
    });
  } catch (error) {
    return refusal(error);
  }
}

/** What the breach is about may have changed while locks were waited for. */
async function fresh(act: Act): Promise<Act> {
  return { ...act, breach: (await findBreachRow(act.em, act.breach.id)) ?? act.breach };
}

const perform = async (act: Act, kind: ActionKind, args: Record<string, unknown>): Promise<Effect> =>
  await (ACTIONS[kind] as (act: Act, args: unknown) => Promise<Effect>)(act, args);

/** @throws what is no refusal */
function refusal(error: unknown): End {
  if (error instanceof EngineError && !error.retryable) {
    const { code, message } = error;
    return { state: code === 'conflict' || code === 'not_found' ? 'skipped' : 'failed', code, detail: message.slice(0, 500) };
  }
  if (/^(22|23|42)/.test(sqlState(error) ?? '')) return { state: 'failed', code: 'internal', detail: 'internal fault' };
  throw error;
}

/** `target`: what only one action may change, in one life or for some time; `earlier`: why this one comes too late. Locks on it are held to the end. */
type Rival = { target: string | null; earlier: { code: string; detail: string } | null };

async function rival(act: Act, { kind, args }: ActionRow): Promise<Rival> {
  if (TERMINAL.has(kind)) return await rivalForTask(act, kind, args);
  const target = sharedTarget({ kind, args, breach: act.breach });
  if (target === null) return { target, earlier: null };
  await query(act.em, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [`sla target ${target}`]);
  const [same] = await query<{ breach_id: string }>(act.em, SAME, [target, SAME_S, JSON.stringify(args)]);
  return { target, earlier: same ? { code: 'duplicate', detail: `breach ${same.breach_id} did the same within ${SAME_S} s` } : null };
}

const SAME = `select breach_id from breach_actions where target = $1 and state = 'done' and ended_at > clock_timestamp() - make_interval(secs => $2) and args = $3::jsonb
  order by ended_at limit 1`;

type Life = { target: string; by: string | null; times: number };

/** Of one life of a task (its eligibility and attempt) only one terminal action takes effect; `retry` at most so often for an SLA and a task. */
async function rivalForTask({ em, breach }: Act, kind: string, args: Record<string, unknown>): Promise<Rival> {
  if (breach.task_id === null) return { target: null, earlier: null };
  await query(em, 'select 1 from tasks where uuid = $1 for no key update', [breach.task_id]);
  const [life] = await query<Life>(em, LIFE, [breach.task_id, [...TERMINAL], breach.sla_id]);
  const { target = null, by = null, times = 0 } = life ?? {};
  if (by) return { target, earlier: { code: 'terminal', detail: `breach ${by} acted on this attempt first` } };
  const spent = kind === 'retry' && times >= Number(args.max ?? 1);
  return { target, earlier: spent ? { code: 'max', detail: `retried ${times} times for this SLA` } : null };
}

const LIFE = `
with t as (select uuid, 'life:' || uuid || ' ' || eligible_at::text || ' ' || attempt as target from tasks where uuid = $1)
select t.target, (select a.breach_id from breach_actions a where a.target = t.target and a.state = 'done' and a.kind = any($2) limit 1) as by,
  (select count(*)::int4 from breach_actions a join breaches b on b.id = a.breach_id
    where b.task_id = t.uuid and b.sla_id = $3 and a.kind = 'retry' and a.state = 'done') as times
from t`;

async function store(em: Em, { breach_id, no }: ActionRef, end: End): Promise<void> {
  const { state, code = null, detail = null, result = null, delivery_id = null, target = null } = end;
  await query(em, STORE, [breach_id, no, state, code, detail, result && JSON.stringify(result), delivery_id, target]);
}

const STORE = `update breach_actions set state = $3, code = $4, detail = $5, result = $6::jsonb, delivery_id = $7, target = $8, ended_at = clock_timestamp()
  where breach_id = $1 and no = $2`;
