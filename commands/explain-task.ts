import type { Gate } from '../core/admission-state.ts';
import { EngineError } from '../core/errors.ts';
import type { PendingReason, TaskStatus } from '../core/states.ts';
import { query } from '../entities/sql.ts';
import { wireTime } from '../entities/wire.ts';
import { type CommandContext, seesAll } from './context.ts';
import { explainCandidate, type Outlook } from './explain-candidate.ts';
import { CANDIDATE, type CandidateRow, candidateOf, RUN_TIMES, type Waiting } from './snapshot.ts';

/**
 * Why a task is not running. A task that does not wait in its queue has no position, gates and times. `decision`: what the last admission that looked
 * at it as the head of its group wrote down; null: none did.
 */
export type Explanation = { uuid: string; status: TaskStatus; pending_reason: PendingReason | null; decision: Decision | null } & (
  | Outlook
  | typeof NO_OUTLOOK
);

type Decision = { gates: Gate[]; decided_at: string };

const NO_OUTLOOK = {
  position: null,
  gates: [],
  estimated_start: null,
  estimated_finish: null,
  overtaken_until: null,
  latest_start: null,
  fair_share: null,
};

type Row = CandidateRow & {
  status: TaskStatus;
  pending_reason: PendingReason | null;
  parked: boolean;
  key: string | null;
  capacity: number | null;
  held: number | null;
  decided: Gate[] | null;
  decided_at: string | null;
};

/**
 * Looks at one task through the same rules that admit: every gate that is closed for it now, with what there is and what it takes.
 * @throws EngineError not_found (also for others' tasks)
 */
export async function explainTask(ctx: CommandContext, uuid: string, lost_after_s: number): Promise<Explanation> {
  const row = await loadTask(ctx, uuid);
  const decision = row.decided && row.decided_at ? { gates: row.decided, decided_at: row.decided_at } : null;
  const base = { uuid, status: row.status, pending_reason: row.pending_reason, decision };
  if (row.status !== 'queued') return { ...base, ...NO_OUTLOOK };
  return { ...base, ...(await explainCandidate(ctx, waiting(row), lost_after_s)) };
}

/** A parked task whose key has a free place gets it with the next admission, so nothing stands before it there. */
function waiting(row: Row): Waiting {
  const { key, capacity, held, parked } = row;
  if (key === null || capacity === null || held === null) return candidateOf(row);
  return { ...candidateOf(row), key: { name: key, limit: capacity, held, parked: parked && held >= capacity } };
}

async function loadTask(ctx: CommandContext, uuid: string): Promise<Row> {
  const rows = await query<Row>(
    ctx.em,
    `select ${CANDIDATE}, t.status, t.pending_reason, t.parked, t.concurrency_key as key, k.capacity, k.held, d.gates as decided,
       ${wireTime('d.decided_at')}
     from tasks t ${RUN_TIMES} left join concurrency_keys k on k.key = t.concurrency_key left join admission_decisions d on d.task_id = t.uuid
     where t.uuid = $1 and ($2 or t.user_id = $3)`,
    [uuid, seesAll(ctx.actor), ctx.actor.id],
  );
  if (!rows[0]) throw new EngineError('not_found', `task ${uuid}: there is none`);
  return rows[0];
}
