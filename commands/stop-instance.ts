import { ended } from '../core/outcome.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { STOP_MARGIN_S } from './end-overdue.ts';
import { finishInstances } from './finish-instances.ts';

/**
 * `grace_s` null: as the engine likes. `as`: what becomes of the task when its instance has stopped: null: cancelled. `unclaimed`: whether an instance that no worker
 * has begun ends at once, or is left to the worker.
 */
export type Stop = {
  uuid: string;
  reason: string | null;
  grace_s: number | null;
  as: 'failed' | 'retry' | null;
  unclaimed?: 'end' | 'leave';
};

/**
 * Asks the running instance of a task, whose row the caller has locked, to stop; one that no worker has claimed ends at once, unless it is to be left. The latest wish about what becomes of the
 * task counts, the shortest grace, and the first time stamp.
 */
export async function stopInstance(em: Em, ctx: CommandContext, { uuid, reason, grace_s, as, unclaimed = 'end' }: Stop): Promise<void> {
  await query(
    em,
    `update tasks set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_reason = $2, stop_as = $3 where uuid = $1`,
    [uuid, reason, as],
  );
  const rows = await query<{ runid: string; status: string }>(
    em,
    `update instances set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_grace_s = least(cancel_grace_s, $2::int4),
       stop_by = least(stop_by, clock_timestamp() + make_interval(secs => coalesce($2::int4, 0) + ${STOP_MARGIN_S}))
     where task_id = $1 and status in ('starting', 'running') returning runid, status`,
    [uuid, grace_s],
  );
  if (unclaimed === 'leave') return;
  const starting = rows.filter((row) => row.status === 'starting');
  const outcome = ended('cancelled', { code: 'cancelled', message: 'cancelled before a worker took it' });
  await finishInstances(
    em,
    starting.map(({ runid }) => ({ runid, lease_epoch: null, outcome })),
    actorName(ctx.actor),
  );
}
