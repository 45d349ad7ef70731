import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import type { Em } from '../entities/sql.ts';
import type { Task } from '../schemas/task.ts';
import { bindTasks, checkTaskBindings } from './bind-tasks.ts';
import type { CommandContext } from './context.ts';
import { type Inserted, type Insertion, insertTasks, isGroupable } from './insert-tasks.ts';
import { type ItemKey, keysOf, type Submission } from './item-keys.ts';
import { insertDependencies, lockUpstreams } from './lock-upstreams.ts';
import { type PreparedTask, prepareTasks } from './prepare-tasks.ts';
import { replayedTasks } from './replayed-tasks.ts';
import { wireTasks } from './wire-tasks.ts';

/** `tasks` in the order of the items; `replayed`: nothing was submitted now, these are the first answer's. `warnings`: one sentence each. */
export type Submitted = { tasks: Task[]; replayed: boolean; warnings: string[] };

const TRIES = 5;

/**
 * Accepts tasks, all or none: one transaction charges the quota and writes task, history, audit and idempotency rows. Never calls Temporal.
 * @throws EngineError invalid_input, unsatisfiable, forbidden, not_found, conflict, too_many, quota_exceeded; `errors` point into the items
 */
export async function submitTasks(ctx: CommandContext, submission: Submission, engines: Engines): Promise<Submitted> {
  const keys = keysOf(submission);
  const first = await submitFresh(ctx, { submission, keys, earlier: new Map() }, engines).catch(unlessReplayed(keys));
  if (first) return first;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const earlier = keys.length === 0 ? new Map<string, Task[]>() : await replayedTasks(ctx, keys);
    const submitted = await submitFresh(ctx, { submission, keys, earlier }, engines);
    if (submitted) return submitted;
  }
  throw new EngineError('conflict', 'the templates, queues or keys of this request are being changed; try again', { retryable: true });
}

/** A request with keys that is refused now may have been accepted before: then that answer counts. */
const unlessReplayed =
  (keys: readonly ItemKey[]) =>
  (error: unknown): null => {
    if (keys.length === 0 || !(error instanceof EngineError)) throw error;
    return null;
  };

type Round = { submission: Submission; keys: readonly ItemKey[]; earlier: ReadonlyMap<string, Task[]> };

/** @returns null when somebody else's request with one of the keys committed meanwhile, or what was checked has changed: look again */
async function submitFresh(ctx: CommandContext, { submission, keys, earlier }: Round, engines: Engines): Promise<Submitted | null> {
  const answered = new Map<number, Task>();
  for (const { key, indexes } of keys) {
    for (const [n, task] of (earlier.get(key) ?? []).entries()) answered.set(indexes[n] ?? n, task);
  }
  const fresh = submission.items.map((item, index) => ({ item, index })).filter(({ index }) => !answered.has(index));
  if (fresh.length === 0) return { tasks: submission.items.map((_, i) => answered.get(i) as Task), replayed: true, warnings: [] };
  const prepared = await prepareTasks(ctx, fresh, engines);
  await checkTaskBindings(ctx, prepared);
  const open = keys.filter(({ key }) => !earlier.has(key));
  const inserted = await insertOnce(ctx, wireTasks(prepared, submission.items, answered), open);
  if (inserted === 'stale') ctx.submitting?.resolutions.forget(prepared.map(({ checked }) => checked.key));
  if (typeof inserted === 'string') return null;
  for (const [n, task] of inserted.entries()) answered.set(fresh[n]?.index ?? n, task);
  const warnings = [...new Set(prepared.flatMap((task) => task.warnings))];
  return { tasks: submission.items.map((_, i) => answered.get(i) as Task), replayed: false, warnings };
}

/** One statement, one round trip, shared with other requests of the moment; in a transaction where not all of it may be stored: other keys, or the charged quota. */
async function insertOnce(ctx: CommandContext, prepared: readonly PreparedTask[], keys: readonly ItemKey[]): Promise<Inserted> {
  const insertion = { actor: ctx.actor, request_id: ctx.request_id, prepared, keys };
  if (ctx.submitting && !ctx.em.isInTransaction() && isGroupable(insertion)) return await ctx.submitting.inserts.add(insertion);
  const charged = prepared.some((p) => p.version.quota_cost > 0);
  const wired = prepared.some((p) => p.wiring);
  const bound = prepared.some((p) => p.item.sla_id);
  if (!wired && !bound && (keys.length === 0 || (keys.length === 1 && !charged))) return await insert(ctx.em, insertion);
  try {
    return await ctx.em.transactional(async (tx) => {
      const known = wired ? await lockUpstreams(tx as Em, ctx, prepared) : prepared;
      const tasks = await insert(tx as Em, { ...insertion, prepared: known });
      if (typeof tasks === 'string') throw new NotStored(tasks);
      if (wired) await insertDependencies(tx as Em, known);
      if (bound) await bindTasks(tx as Em, known, tasks);
      return tasks;
    });
  } catch (error) {
    if (error instanceof NotStored) return error.why;
    throw error;
  }
}

const insert = async (em: Em, insertion: Insertion): Promise<Inserted> => (await insertTasks(em, [insertion]))[0] as Inserted;

class NotStored extends Error {
  readonly why: Exclude<Inserted, Task[]>;

  constructor(why: Exclude<Inserted, Task[]>) {
    super(why);
    this.why = why;
  }
}
