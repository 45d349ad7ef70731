import { type Actor, seesAll } from '../../commands/context.ts';
import { EngineError } from '../../core/errors.ts';
import { findBulkAction } from '../../entities/bulk-action.queries.ts';
import { findInstance } from '../../entities/instance.queries.ts';
import { findTask, type Scope } from '../../entities/task.queries.ts';
import type { BulkAction } from '../../schemas/bulk-action.ts';
import type { Instance } from '../../schemas/instance.ts';
import type { Task } from '../../schemas/task.ts';
import type { RouteContext } from '../define-route.ts';

/** Whose tasks the actor sees; it goes into the WHERE of every query, so that others' things are as absent as missing ones. */
export const scopeOf = (actor: Actor): Scope => ({ user_id: seesAll(actor) ? null : actor.id });

/** @throws EngineError not_found, also for others' tasks */
export async function visibleTask(ctx: RouteContext, uuid: string): Promise<Task> {
  const task = await findTask(ctx.em, uuid, scopeOf(ctx.actor));
  if (!task) throw new EngineError('not_found', `task ${uuid}: there is none`);
  return task;
}

/** @throws EngineError not_found, also for others' instances */
export async function visibleInstance(ctx: RouteContext, runid: string): Promise<Instance> {
  const instance = await findInstance(ctx.em, runid, scopeOf(ctx.actor));
  if (!instance) throw new EngineError('not_found', `instance ${runid}: there is none`);
  return instance;
}

/** @throws EngineError not_found, also for others' bulk actions */
export async function visibleBulkAction(ctx: RouteContext, id: string): Promise<BulkAction> {
  const found = await findBulkAction(ctx.em, id, scopeOf(ctx.actor));
  if (!found) throw new EngineError('not_found', `bulk action ${id}: there is none`);
  return found;
}
