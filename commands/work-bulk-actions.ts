import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { sqlState } from '../entities/sql-state.ts';
import type { BulkDeed } from '../schemas/bulk-action.ts';
import { cancelTask } from './cancel-task.ts';
import { changeTask } from './change-task.ts';
import type { Actor, CommandContext } from './context.ts';
import { holdTask, releaseTask } from './hold-task.ts';
import { retryTask } from './retry-task.ts';

type Running = BulkDeed & { id: string; request_id: string | null; actor: Actor; is_active: boolean };
type Failure = { code: string; detail: string };

const AT_ONCE = 20;

/**
 * Does the next tasks of every running bulk action, up to `batch` of each, as its owner, with the rights that the owner has now. Each task is a
 * transaction of its own, in which its row in the list is settled too: so each is done once, whoever is killed when. Any number may work at once.
 * @param fork makes an entity manager; one for each transaction
 * @returns how many tasks were settled; 0: there is nothing to do
 */
export async function workBulkActions(fork: () => Em, batch = 50): Promise<number> {
  let settled = 0;
  for (const bulk of await query<Running>(fork(), RUNNING, [AT_ONCE])) settled += await workOne(fork, bulk, batch);
  return settled;
}

const RUNNING = `
select b.id, b.action, b.args, b.request_id, u.is_active,
  jsonb_build_object('id', u.id, 'username', u.username, 'role', u.role, 'rights', to_jsonb(u.rights)) as actor
from bulk_actions b join users u on u.id = b.user_id where b.status = 'running' order by b.id limit $1`;

async function workOne(fork: () => Em, bulk: Running, batch: number): Promise<number> {
  let settled = 0;
  while (settled < batch && (await settleNext(fork, bulk))) settled += 1;
  if (settled < batch) await query(fork(), COMPLETE, [bulk.id]);
  return settled;
}

/** Items under way elsewhere are still `waiting` here: who settles the last one, or looks after that, finds none. */
const COMPLETE = `update bulk_actions set status = 'completed', completed_at = now(), updated_at = now()
  where id = $1 and status = 'running' and not exists (select 1 from bulk_action_items where bulk_action_id = $1 and status = 'waiting')`;

const NEXT = `select task_id from bulk_action_items where bulk_action_id = $1 and status = 'waiting'
  order by task_id limit 1 for no key update skip locked`;

const SETTLE = `update bulk_action_items set status = case when $3::text is null then 'done' else 'failed' end, code = $3, detail = $4, updated_at = now()
  where bulk_action_id = $1 and task_id = $2`;

/** @returns false when no item is free */
async function settleNext(fork: () => Em, bulk: Running): Promise<boolean> {
  return await fork().transactional(async (tx) => {
    const em = tx as Em;
    const [item] = await query<{ task_id: string }>(em, NEXT, [bulk.id]);
    if (!item) return false;
    const failure = await attempt(em, bulk, item.task_id);
    await query(em, SETTLE, [bulk.id, item.task_id, failure?.code ?? null, failure?.detail ?? null]);
    return true;
  });
}

/** A refusal undoes what was begun for this task and is its result; what may pass (a deadlock, a server that is away) ends the transaction. */
async function attempt(em: Em, bulk: Running, uuid: string): Promise<Failure | null> {
  if (!bulk.is_active) return { code: 'forbidden', detail: `user "${bulk.actor.username}" is not active any more` };
  try {
    await perform({ em, actor: bulk.actor, request_id: bulk.request_id }, bulk, uuid);
    return null;
  } catch (error) {
    if (error instanceof EngineError) return { code: error.code, detail: error.message };
    if (/^(22|23|42)/.test(sqlState(error) ?? '')) return { code: 'internal', detail: 'internal fault' };
    throw error;
  }
}

async function perform(ctx: CommandContext, deed: BulkDeed, uuid: string): Promise<void> {
  switch (deed.action) {
    case 'cancel':
      return await cancelTask(ctx, uuid, deed.args);
    case 'retry':
      return await retryTask(ctx, uuid);
    case 'hold':
      return await holdTask(ctx, uuid);
    case 'release':
      return await releaseTask(ctx, uuid);
    case 'set_priority':
      return await changeTask(ctx, uuid, { priority: deed.args.priority });
    case 'move_queue':
      return await changeTask(ctx, uuid, { queue: deed.args.queue });
  }
}
