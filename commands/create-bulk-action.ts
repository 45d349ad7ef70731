import { EngineError } from '../core/errors.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { type TaskFilter, taskConditions } from '../entities/task.queries.ts';
import type { BulkActionCreation } from '../schemas/bulk-action.ts';
import { actorName, type CommandContext, refuseOthersName, seesAll } from './context.ts';
import { writeAudit } from './write-audit.ts';

/** Most tasks of one bulk action. */
const MOST_TASKS = 100_000;

/** `id` null: nothing was asked for but the number. */
export type CreatedBulk = { id: string | null; total: number };

/**
 * Notes which tasks a filter finds now, among those that the actor may change, and what shall be done to each. Dispatchers do it; what comes
 * later is not touched. With `dry_run` only counts.
 * @throws EngineError forbidden: a filter by somebody else's name; invalid_input: more than 100,000 tasks, or no such queue
 */
export async function createBulkAction(ctx: CommandContext, { filter, ...creation }: BulkActionCreation): Promise<CreatedBulk> {
  refuseOthersName(ctx.actor, filter.user);
  return await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    if (creation.action === 'move_queue') await refuseMissingQueue(em, creation.args.queue);
    const scoped = { ...filter, user_id: seesAll(ctx.actor) ? null : ctx.actor.id } as TaskFilter & { user_id: number | null };
    if (creation.dry_run) return { id: null, total: await countTasks(em, scoped) };
    const [made] = await query<{ id: string }>(em, INSERT, [
      ctx.actor.id,
      creation.action,
      JSON.stringify(filter),
      JSON.stringify(creation.args),
      ctx.request_id,
    ]);
    const id = made?.id ?? '';
    const total = await insertItems(em, id, scoped);
    await query(em, SET_TOTAL, [id, total]);
    const after = { action: creation.action, filter, args: creation.args, total };
    const subject = { action: 'bulk_action.create', subject_type: 'bulk_action', subject_id: id };
    await writeAudit(em, { actor: actorName(ctx.actor), ...subject, before: null, after, request_id: ctx.request_id });
    return { id, total };
  });
}

const INSERT = `insert into bulk_actions (user_id, action, filter, args, total, request_id) values ($1, $2, $3::jsonb, $4::jsonb, 0, $5) returning id`;

const SET_TOTAL = `update bulk_actions set total = $2, status = case when $2 = 0 then 'completed' else status end,
  completed_at = case when $2 = 0 then now() end, updated_at = now() where id = $1`;

const whereOf = (clauses: readonly string[]): string => (clauses.length > 0 ? `where ${clauses.join(' and ')}` : '');

async function countTasks(em: Em, filter: TaskFilter & { user_id: number | null }): Promise<number> {
  const { clauses, values } = taskConditions(filter);
  const sql = `select count(*)::int4 as n from (select 1 from tasks t ${whereOf(clauses)} limit ${MOST_TASKS + 1}) found`;
  return checked((await queryOnce<{ n: number }>(em, sql, values))[0]?.n ?? 0);
}

async function insertItems(em: Em, id: string, filter: TaskFilter & { user_id: number | null }): Promise<number> {
  const { clauses, values } = taskConditions(filter);
  const sql = `with i as (
      insert into bulk_action_items (bulk_action_id, task_id)
      select $${values.length + 1}::uuid, t.uuid from tasks t ${whereOf(clauses)} order by t.uuid limit ${MOST_TASKS + 1} returning 1)
    select count(*)::int4 as n from i`;
  return checked((await queryOnce<{ n: number }>(em, sql, [...values, id]))[0]?.n ?? 0);
}

function checked(total: number): number {
  if (total <= MOST_TASKS) return total;
  const detail = `finds more than ${MOST_TASKS} tasks: narrow it, for example by created_before`;
  throw new EngineError('invalid_input', `filter: ${detail}`, { errors: [{ pointer: '/filter', detail }] });
}

async function refuseMissingQueue(em: Em, queue: string): Promise<void> {
  if ((await query(em, 'select 1 from queues where name = $1', [queue])).length > 0) return;
  const detail = `queue "${queue}": there is none`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: '/args/queue', detail }] });
}
