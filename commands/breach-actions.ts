import { EngineError } from '../core/errors.ts';
import { fillPlaceholders } from '../core/placeholders.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import type { SlaAction } from '../schemas/sla-action.ts';
import type { TaskSubmission } from '../schemas/task.ts';
import { type BreachRow, breachMessage, slaContextOf } from './breach-row.ts';
import { cancelTask } from './cancel-task.ts';
import { changeTask } from './change-task.ts';
import { type CommandContext, seesAll } from './context.ts';
import { enqueueEmail, enqueueWebhook, type Notice, notifyUser } from './enqueue-delivery.ts';
import { failTask } from './fail-task.ts';
import { holdQueueFor } from './hold-queue-for.ts';
import { labelTask } from './label-task.ts';
import { lendPool } from './lend-pool.ts';
import { pauseSchedule } from './pause-schedule.ts';
import { restartTask } from './restart-task.ts';
import { retryTask } from './retry-task.ts';
import { submitTasks } from './submit-tasks.ts';

/** What an action did. `code` says why nothing was done, where nothing was. */
export type Effect = {
  state: 'done' | 'skipped' | 'suppressed';
  code?: string;
  result?: Record<string, unknown>;
  delivery_id?: string;
};

/** One action about to be done, in the transaction that records its end. `ctx`: the SLA in its owner's name. */
export type Act = { em: Em; ctx: CommandContext; breach: BreachRow; no: number; engines: Engines };

export type ActionKind = SlaAction['do'];
type Args<K extends ActionKind> = Omit<Extract<SlaAction, { do: K }>, 'do' | 'condition' | 'stage'>;
type Perform<K extends ActionKind> = (act: Act, args: Args<K>) => Promise<Effect>;

const MOST_DEPTH = 3;

const done = (result: Record<string, unknown> = {}): Effect => ({ state: 'done', result });
const skipped = (code: string): Effect => ({ state: 'skipped', code });

const noticeOf = ({ breach, no }: Act, { user_id, message }: { user_id: number; message: string | null }): Notice => ({
  key: `breach_${breach.id}_${no}`,
  user_id,
  source_type: 'breach',
  source_id: breach.id,
  message: breachMessage(breach, message),
});

const because = ({ breach }: Act): string => `SLA ${breach.sla}: ${breach.condition}`;

const owner = ({ ctx }: Act): number => ctx.actor.id;

/** @throws EngineError forbidden */
function requireOperator({ ctx }: Act): void {
  if (seesAll(ctx.actor)) return;
  throw new EngineError('forbidden', `user "${ctx.actor.username}": acts on something shared, which is for operators`);
}

/** What each kind does. Refusals of the commands are thrown and become the action's end. */
export const ACTIONS: { [K in ActionKind]: Perform<K> } = {
  notify: async (act, { to, severity, message }) => {
    const wanted = to.map((who) => (who === 'owner' ? owner(act) : act.breach.task_user));
    const users = [...new Set(wanted)].filter((id) => id !== null);
    for (const user_id of users) await notifyUser(act.em, { notice: noticeOf(act, { user_id, message: message ?? null }), severity });
    return users.length > 0 ? done({ recipients: users.length }) : skipped('no_recipient');
  },
  webhook: async (act, target) => {
    const delivery_id = await enqueueWebhook(act.em, noticeOf(act, { user_id: owner(act), message: null }), target);
    return { ...done(), delivery_id };
  },
  email: async (act, { to, message }) => {
    const delivery_id = await enqueueEmail(act.em, noticeOf(act, { user_id: owner(act), message: message ?? null }), { to });
    return { ...done(), delivery_id };
  },
  cancel: async (act, { grace_s }) => await onTask(act, (uuid) => cancelTask(act.ctx, uuid, { reason: because(act), grace_s })),
  fail: async (act) =>
    await onTask(act, (uuid) => failTask(act.ctx, { uuid, code: 'sla', message: `${because(act)} was broken at ${act.breach.due_at}` })),
  retry: async (act) => await onTask(act, (uuid) => again(act, uuid)),
  escalate_priority: async (act, args) => await escalate(act, args),
  move_queue: async (act, { queue }) => {
    const { task } = act.breach;
    if (task && task.queue === queue) return skipped('is_there');
    return await whileWaiting(act, (uuid) => changeTask(act.ctx, uuid, { queue }));
  },
  label: async (act, { set }) => await onTask(act, (uuid) => labelTask(act.ctx, uuid, set)),
  hold_queue: async (act, { queue, for_s }) => {
    requireOperator(act);
    const name = queue ?? queueOf(act.breach);
    if (name === null) return skipped('no_queue');
    await holdQueueFor(act.ctx, { name, for_s });
    return done({ queue: name });
  },
  resize_pool: async (act, { pool, cpu, memory_mb, for_s }) => {
    requireOperator(act);
    const name = pool ?? act.breach.pool;
    if (name === null) return skipped('no_pool');
    await lendPool(act.ctx, { pool: name, cpu, memory_mb, for_s, reason: `breach ${act.breach.id}` });
    return done({ pool: name });
  },
  pause_schedule: async (act, { schedule, for_s }) => await pauseFor(act, { id: schedule ?? act.breach.schedule, for_s }),
  run_template: async (act, args) => await runTemplate(act, args),
};

const queueOf = ({ task, subject_type, subject_id }: BreachRow): string | null =>
  task?.queue ?? (subject_type === 'queue' ? subject_id : null);

/** What a shared thing is that an action would change: two breaches shall not change it twice. Null: nothing shared. */
export function sharedTarget({ kind, args, breach }: { kind: string; args: Record<string, unknown>; breach: BreachRow }): string | null {
  const names: Record<string, unknown> = {
    hold_queue: args.queue ?? queueOf(breach),
    resize_pool: args.pool ?? breach.pool,
    pause_schedule: args.schedule ?? breach.schedule,
  };
  return names[kind] ? `${kind}:${names[kind]}` : null;
}

async function onTask({ breach }: Act, work: (uuid: string) => Promise<void>): Promise<Effect> {
  if (breach.task_id === null) return skipped('no_task');
  await work(breach.task_id);
  return done();
}

/** @throws EngineError conflict: it does not wait */
async function whileWaiting(act: Act, work: (uuid: string) => Promise<void>): Promise<Effect> {
  const status = act.breach.task?.status;
  if (status !== 'pending' && status !== 'queued') return skipped(status ? `task_${status}` : 'no_task');
  return await onTask(act, work);
}

/** Running work is ended and queued again; a failed task is retried. */
async function again({ ctx, breach }: Act, uuid: string): Promise<void> {
  if (breach.task?.status === 'failed') await retryTask(ctx, uuid);
  else await restartTask(ctx, { uuid, reason: `SLA ${breach.sla}` });
}

/** Never lowers, never goes above the cap. */
async function escalate(act: Act, { by, to, cap }: Args<'escalate_priority'>): Promise<Effect> {
  const now = act.breach.task_priority ?? 0;
  const priority = Math.min(cap, to ?? now + (by ?? 0));
  if (priority <= now) return skipped('is_higher');
  const effect = await whileWaiting(act, (uuid) => changeTask(act.ctx, uuid, { priority }));
  return effect.state === 'done' ? done({ from: now, to: priority }) : effect;
}

async function pauseFor({ em, ctx, breach, engines }: Act, { id, for_s }: { id: string | null; for_s: number }): Promise<Effect> {
  if (id === null) return skipped('no_schedule');
  const [schedule] = await query<{ status: string }>(em, 'select status from schedules where id = $1 and deleted_at is null', [id]);
  if (schedule?.status !== 'active') return skipped(`schedule_${schedule?.status ?? 'gone'}`);
  await pauseSchedule(ctx, { id, reason: `SLA ${breach.sla}: ${breach.condition}` }, engines);
  await query(em, RETURN, [id, for_s, ctx.actor.acts_as]);
  return done({ schedule: id });
}

const RETURN = `update schedules set resume_at = clock_timestamp() + make_interval(secs => $2), held_by = $3 where id = $1 and status = 'paused'`;

/** Values are ids and names of a narrow alphabet, so that a script may use them. */
const placeholdersOf = (breach: BreachRow): Record<string, string> => ({
  breach: breach.id,
  sla: breach.sla,
  condition: breach.condition,
  subject: breach.subject_id,
  task: breach.task_id ?? '',
  due_at: breach.due_at,
});

/** Submits a task in the owner's name; what it was caused by keeps it out of the scope of this SLA. */
async function runTemplate({ em, ctx, breach, engines }: Act, args: Args<'run_template'>): Promise<Effect> {
  if (breach.sla_depth >= MOST_DEPTH) return { state: 'suppressed', code: 'depth' };
  const { template, parameters, queue, priority } = args;
  const item = { template, parameters: fillPlaceholders(parameters, placeholdersOf(breach)), queue, priority, tags: {} } as TaskSubmission;
  const { tasks } = await submitTasks(ctx, { items: [item], idempotency: null }, engines);
  const uuid = tasks[0]?.uuid;
  await query(em, 'update tasks set caused_by = $2, sla_depth = $3 where uuid = $1', [uuid, breach.id, breach.sla_depth + 1]);
  return done({ task: uuid });
}

/** The context of the breach's SLA in this transaction. @throws EngineError forbidden */
export const actOf = async (em: Em, { breach, no, engines }: Omit<Act, 'em' | 'ctx'>): Promise<Act> => ({
  em,
  ctx: await slaContextOf(em, breach),
  breach,
  no,
  engines,
});
