import { EngineError, type FieldProblem } from '../core/errors.ts';
import { isFinalTask, type TaskStatus } from '../core/states.ts';
import { type Em, query } from '../entities/sql.ts';
import { type CommandContext, seesAll } from './context.ts';
import type { PreparedTask } from './prepare-tasks.ts';
import type { Upstream } from './wire-tasks.ts';

/**
 * Looks at the tasks that a submission waits for and keeps them from ending until its transaction does, so that no end is missed.
 * @returns the tasks with what is met already
 * @throws EngineError invalid_input: there is no such task, or it is somebody else's; conflict: it must succeed, but has ended otherwise
 */
export async function lockUpstreams(em: Em, ctx: CommandContext, prepared: readonly PreparedTask[]): Promise<PreparedTask[]> {
  const upstreams = prepared.flatMap(({ wiring }) => wiring?.upstreams ?? []).filter(({ fresh }) => !fresh);
  const rows = await query<{ uuid: string; status: TaskStatus }>(em, LOCK, [
    [...new Set(upstreams.map(({ task }) => task))],
    seesAll(ctx.actor),
    ctx.actor.id,
  ]);
  const statuses = new Map(rows.map((row) => [row.uuid, row.status]));
  refuse('invalid_input', upstreams, (upstream) => (statuses.has(upstream.task) ? null : `task ${upstream.task}: there is none`));
  refuse('conflict', upstreams, ({ task, condition }) => {
    const status = statuses.get(task) as TaskStatus;
    const hopeless = condition === 'succeeded' && isFinalTask(status) && status !== 'completed';
    return hopeless ? `task ${task} is ${status} already, so it cannot succeed` : null;
  });
  return prepared.map((task) => withStates(task, statuses));
}

const LOCK = 'select uuid, status from tasks where uuid = any($1) and ($2 or user_id = $3) order by uuid for share';

function refuse(code: 'invalid_input' | 'conflict', upstreams: readonly Upstream[], fault: (upstream: Upstream) => string | null): void {
  const errors: FieldProblem[] = upstreams.flatMap((upstream) => {
    const detail = fault(upstream);
    return detail === null ? [] : [{ pointer: `${upstream.pointer}/task`, detail }];
  });
  if (errors[0]) throw new EngineError(code, errors[0].detail, { errors });
}

function withStates(task: PreparedTask, statuses: ReadonlyMap<string, TaskStatus>): PreparedTask {
  if (!task.wiring) return task;
  const upstreams = task.wiring.upstreams.map((upstream) => {
    const status = statuses.get(upstream.task);
    return { ...upstream, state: status && isFinalTask(status) ? ('met' as const) : upstream.state };
  });
  return { ...task, wiring: { ...task.wiring, upstreams } };
}

/** Stores what the tasks wait for; they themselves are there already. */
export async function insertDependencies(em: Em, prepared: readonly PreparedTask[]): Promise<void> {
  const edges = prepared.flatMap(({ wiring }) => (wiring?.upstreams ?? []).map((upstream) => ({ ...upstream, uuid: wiring?.uuid })));
  await query(em, INSERT, [
    edges.map((edge) => edge.uuid),
    edges.map((edge) => edge.task),
    edges.map((edge) => edge.condition),
    edges.map((edge) => edge.state),
  ]);
}

const INSERT = `insert into task_dependencies (task_id, upstream_id, condition, state)
  select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])`;
