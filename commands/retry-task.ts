import { EngineError } from '../core/errors.ts';
import type { TaskStatus } from '../core/states.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { writeAudit } from './write-audit.ts';

type Row = { status: TaskStatus; user_id: number; quota_cost: number };

/**
 * Queues a failed or cancelled task again, with a fresh retry budget and a new instance; its attempt number goes on rising. Charges the quota again if it
 * was refunded; what the task had paid for and partly got is not paid twice. Finished scenes of a video stay, so its progress does too.
 * Dependencies that were not met when it was cancelled count no more, those still open do; what had waited for this task is not recalled.
 * @throws EngineError not_found (also for others' tasks), conflict: not failed or cancelled, quota_exceeded
 */
export async function retryTask(ctx: CommandContext, uuid: string): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const rows = await query<Row>(
      em,
      `select status, user_id::int4 as user_id, quota_cost from tasks where uuid = $1 and ($2 or user_id = $3) for no key update`,
      [uuid, seesAll(ctx.actor), ctx.actor.id],
    );
    const row = rows[0];
    if (!row) throw new EngineError('not_found', `task ${uuid}: there is none`);
    if (row.status !== 'failed' && row.status !== 'cancelled') {
      throw new EngineError('conflict', `task ${uuid}: only failed and cancelled tasks can be retried, it is ${row.status}`);
    }
    if (row.quota_cost > 0 && (await isRefunded(em, uuid))) await chargeQuota(em, row);
    await query(em, REQUEUE, [uuid, row.status, actorName(ctx.actor)]);
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.retry',
      subject_type: 'task',
      subject_id: uuid,
      before: { status: row.status },
      after: { status: 'queued' },
    });
  });
}

/** A statement of its own, after the lock: one that had to wait for it would not see what the other transaction wrote into the ledger. */
async function isRefunded(em: Em, uuid: string): Promise<boolean> {
  const sql = 'select kind from quota_ledger where task_id = $1 order by round desc, id desc limit 1';
  return (await query<{ kind: string }>(em, sql, [uuid]))[0]?.kind === 'refund';
}

async function chargeQuota(em: Em, { user_id, quota_cost }: Row): Promise<void> {
  const charged = await query(
    em,
    `update users set used_quota = used_quota + $2 where id = $1 and (quota is null or used_quota + $2 <= quota) returning id`,
    [user_id, quota_cost],
  );
  if (charged.length === 0) throw new EngineError('quota_exceeded', `quota: ${quota_cost} needed, not enough left`);
}

const REQUEUE = `
with t as (
  update tasks set status = case when waits_for > 0 then 'pending' else 'queued' end, pending_reason = case when waits_for > 0 then 'dependency' end,
    held_at = null, start_timeouts = 0, status_reason = null, cancel_requested_at = null, cancel_reason = null,
    completed_at = null, result = null, error = null, progress = case when total_scenes > 0 then progress else 0 end, retries_used = 0, not_before = null,
    eligible_at = now(), queued_at = now(), vtime = task_vtime(now(), priority, q.step_s, deadline, timeout, template)
  from (select name, step_s from queues) q
  where uuid = $1 and q.name = tasks.queue returning uuid, status)
insert into task_history (task_id, subject, from_status, to_status, reason, actor) select uuid, 'task', $2, status, 'retry', $3 from t`;
