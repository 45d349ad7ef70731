import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { cancelTask } from './cancel-task.ts';
import type { CommandContext } from './context.ts';

const MOST_KEYS = 1_000;
const MOST_CANCELS = 200;

type DirtyKey = { key: string; capacity: number; held: number; on_limit: string };

/**
 * Gives free places of concurrency keys to the first of the tasks that wait for them, and does what a full key asks for. Looks only at keys where
 * a place became free or a task came, so that any number of keys costs nothing while nothing happens to them.
 */
export async function settleKeys(em: Em): Promise<void> {
  const surplus = await em.transactional(async (tx) => {
    const dirty = await query<DirtyKey>(tx as Em, DIRTY, [MOST_KEYS]);
    if (dirty.length === 0) return [];
    await query(tx as Em, UNPARK, [dirty.map(({ key }) => key), dirty.map(({ capacity, held }) => Math.max(0, capacity - held))]);
    const limited = dirty.filter(({ on_limit }) => on_limit !== 'queue').map(({ key }) => key);
    const over = limited.length === 0 ? [] : await query<Surplus>(tx as Em, SURPLUS, [limited, MOST_CANCELS]);
    const unsettled = over.map(({ key }) => key);
    await query(tx as Em, CLEAN, [dirty.map(({ key }) => key), unsettled]);
    await query(tx as Em, FORGET, [dirty.map(({ key }) => key)]);
    return over;
  });
  for (const task of surplus) await cancelSurplus(em, task);
}

type Surplus = { uuid: string; key: string; on_limit: string };

const DISPATCHER = { id: 0, username: 'dispatcher', role: 'admin', rights: [] } as const;

/** Outside the transaction that holds the keys: whoever ends a task locks it first and its key last. */
async function cancelSurplus(em: Em, { uuid, key, on_limit }: Surplus): Promise<void> {
  const ctx: CommandContext = { em, actor: DISPATCHER, request_id: null };
  await cancelTask(ctx, uuid, on_limit === 'cancel_running' ? `a newer task took the key ${key}` : `the key ${key} was full`).catch(
    ignoreEnded,
  );
}

/** It may have ended meanwhile by itself, which serves as well. */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof EngineError) || error.code !== 'conflict') throw error;
}

const DIRTY = `select key, capacity, held, on_limit from concurrency_keys where dirty order by key limit $1 for no key update skip locked`;

const UNPARK = `
with k as (select * from unnest($1::text[], $2::int4[]) as k(key, room)),
t as (
  select t.uuid from k, lateral (
    select uuid from tasks where concurrency_key = k.key and status = 'queued' and parked
    order by vtime, uuid limit k.room for no key update skip locked) t)
update tasks set parked = false from t where tasks.uuid = t.uuid`;

/** Of a full key: those that wait for a place, or with cancel_running all but the newest, as far as nobody has asked them to stop. */
const SURPLUS = `
select s.uuid, k.key, k.on_limit from concurrency_keys k, lateral (
  select uuid, parked, cancel_requested_at, row_number() over (order by uuid desc) as age
  from tasks where concurrency_key = k.key and status in ('queued', 'processing')) s
where k.key = any($1) and s.cancel_requested_at is null
  and case k.on_limit when 'cancel_running' then s.age > k.capacity else s.parked and k.held >= k.capacity end
limit $2`;

/** Still dirty: where a task that somebody else had locked could have had a place, and where tasks are about to be cancelled. */
const CLEAN = `
update concurrency_keys k set updated_at = now(), dirty = k.key = any($2) or (k.held < k.capacity and exists (
  select 1 from tasks t where t.concurrency_key = k.key and t.status = 'queued' and t.parked))
where k.key = any($1)`;

/** A key that nobody holds or waits for leaves no row behind; its next task makes it again. */
const FORGET = `
delete from concurrency_keys k where k.key = any($1) and k.held = 0 and not k.dirty and not exists (
  select 1 from tasks t where t.concurrency_key = k.key and t.status in ('queued', 'processing'))`;
