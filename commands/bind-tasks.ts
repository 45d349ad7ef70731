import { type Em, query } from '../entities/sql.ts';
import type { Task } from '../schemas/task.ts';
import { checkBinding } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import type { PreparedTask } from './prepare-tasks.ts';

/** @throws EngineError invalid_input: an item names an SLA that it may not name */
export async function checkTaskBindings(ctx: CommandContext, prepared: readonly PreparedTask[]): Promise<void> {
  for (const { item, index } of prepared) await checkBinding(ctx, { sla_id: item.sla_id, scope: 'task', pointer: `/${index}/sla_id` });
}

/** Attaches the SLAs that items name, in the transaction that stored the tasks; those apply beside what queues and templates bring. */
export async function bindTasks(em: Em, prepared: readonly PreparedTask[], tasks: readonly Task[]): Promise<void> {
  const bound = prepared.flatMap(({ item }, n) => (item.sla_id ? [{ uuid: tasks[n]?.uuid, sla_id: item.sla_id }] : []));
  await query(em, BIND, [bound.map(({ uuid }) => uuid), bound.map(({ sla_id }) => sla_id)]);
}

const BIND = 'update tasks set sla_id = b.sla_id from unnest($1::uuid[], $2::int4[]) as b(uuid, sla_id) where tasks.uuid = b.uuid';
