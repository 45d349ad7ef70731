import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask, refuseFinal } from './lock-task.ts';
import { stopInstance } from './stop-instance.ts';
import { writeAudit } from './write-audit.ts';

/** `code`: the task's `status_reason`; `message`: one sentence for its user. */
export type Failing = { uuid: string; code: string; message: string };

/**
 * Fails a task that is not final, without regard to its retry policy. Waiting ones fail at once; running work is stopped first, as by a cancellation. What waits for
 * its success is cancelled.
 * @throws EngineError not_found (also for others' tasks), conflict: it is final
 */
export async function failTask(ctx: CommandContext, { uuid, code, message }: Failing): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const row = await lockTask(em, ctx, uuid);
    refuseFinal(row, 'failed');
    if (row.status === 'processing') await stopInstance(em, ctx, { uuid, reason: code, grace_s: null, as: 'failed' });
    else await query(em, FAIL, [uuid, code, message, row.status, actorName(ctx.actor)]);
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.fail',
      subject_type: 'task',
      subject_id: uuid,
      before: { status: row.status },
      after: { code, message },
    });
  });
}

const FAIL = `
  with line as materialized (select lock_costs($1::uuid || lock_line(array[$1::uuid], true))),
  t as (
    update tasks set status = 'failed', pending_reason = null, status_reason = $2, completed_at = clock_timestamp(),
      error = jsonb_build_object('code', $2::text, 'message', $3::text)
    from (select count(*) from line) locked where uuid = $1 returning uuid)
  insert into task_history (task_id, subject, from_status, to_status, reason, actor) select uuid, 'task', $4, 'failed', $2, $5 from t`;
