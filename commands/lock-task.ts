import { EngineError } from '../core/errors.ts';
import { isFinalTask, type TaskStatus } from '../core/states.ts';
import { type Em, query } from '../entities/sql.ts';
import { type CommandContext, seesAll } from './context.ts';

export type LockedTask = { uuid: string; status: TaskStatus; held: boolean; queue: string; cpu: number; memory_mb: number };

/**
 * Locks a task that the actor may change, until the transaction ends.
 * @throws EngineError not_found, also for others' tasks
 */
export async function lockTask(em: Em, ctx: CommandContext, uuid: string): Promise<LockedTask> {
  const rows = await query<LockedTask>(
    em,
    `select uuid, status, held_at is not null as held, queue, cpu::float8 as cpu, memory_mb from tasks
     where uuid = $1 and ($2 or user_id = $3) for no key update`,
    [uuid, seesAll(ctx.actor), ctx.actor.id],
  );
  if (!rows[0]) throw new EngineError('not_found', `task ${uuid}: there is none`);
  return rows[0];
}

/** @throws EngineError conflict: the task is final; `verb` as in "cannot be held" */
export function refuseFinal({ uuid, status }: LockedTask, verb: string): void {
  if (isFinalTask(status)) throw new EngineError('conflict', `task ${uuid}: cannot be ${verb}, it is ${status} already`);
}
