import { type Candidate, closedGates, type Gate } from '../core/admission.ts';
import { EngineError } from '../core/errors.ts';
import type { PendingReason, TaskStatus } from '../core/states.ts';
import { query } from '../entities/sql.ts';
import { type CommandContext, seesAll } from './context.ts';
import { loadRoom } from './snapshot.ts';

/** Why a task is not running. `position`: its place among the waiting tasks of its queue, from 1; null when it does not wait there. */
export type Explanation = {
  uuid: string;
  status: TaskStatus;
  pending_reason: PendingReason | null;
  position: number | null;
  gates: Gate[];
};

type Row = {
  status: TaskStatus;
  pending_reason: PendingReason | null;
  queue: string;
  need: string;
  type: string;
  cpu_milli: number;
  memory_mb: number;
  vtime: number;
  ahead: number;
};

/**
 * Looks at one task through the same rules that admit: every gate that is closed for it now, with what there is and what it takes.
 * @throws EngineError not_found (also for others' tasks)
 */
export async function explainTask(ctx: CommandContext, uuid: string, lost_after_s: number): Promise<Explanation> {
  const row = await loadTask(ctx, uuid);
  const base = { uuid, status: row.status, pending_reason: row.pending_reason };
  if (row.status !== 'queued') return { ...base, position: null, gates: [] };
  const room = await loadRoom(ctx.em, [row.queue], { lock: false, lost_after_s });
  const amount = { cpu_milli: row.cpu_milli, memory_mb: row.memory_mb };
  const candidate: Candidate = { uuid, queue: row.queue, need: row.need, engine: row.type, amount, vtime: row.vtime };
  return { ...base, position: row.ahead + 1, gates: closedGates(candidate, { ...room, candidates: [candidate] }) };
}

async function loadTask(ctx: CommandContext, uuid: string): Promise<Row> {
  const rows = await query<Row>(
    ctx.em,
    `select t.status, t.pending_reason, t.queue, t.need, t.type, (t.cpu * 1000)::int4 as cpu_milli, t.memory_mb,
       extract(epoch from t.vtime)::float8 * 1000 as vtime,
       case when t.status = 'queued' then (select count(*)::int4 from tasks o
         where o.queue = t.queue and o.status = 'queued' and (o.vtime, o.uuid) < (t.vtime, t.uuid)) else 0 end as ahead
     from tasks t where t.uuid = $1 and ($2 or t.user_id = $3)`,
    [uuid, seesAll(ctx.actor), ctx.actor.id],
  );
  if (!rows[0]) throw new EngineError('not_found', `task ${uuid}: there is none`);
  return rows[0];
}
