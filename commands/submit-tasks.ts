import { needKey, pinnedNeed } from '../core/admission.ts';
import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Task } from '../schemas/task.ts';
import { actorName, type CommandContext } from './context.ts';
import { draftTask, stampTask } from './draft-task.ts';
import { type ItemKey, keysOf, type Submission } from './item-keys.ts';
import { insertDependencies, lockUpstreams } from './lock-upstreams.ts';
import { type PreparedTask, prepareTasks } from './prepare-tasks.ts';
import { replayedTasks, type StoredAnswer } from './replayed-tasks.ts';
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
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const earlier = keys.length === 0 ? new Map<string, Task[]>() : await replayedTasks(ctx, keys);
    const submitted = await submitFresh(ctx, { submission, keys, earlier }, engines);
    if (submitted) return submitted;
  }
  throw new EngineError('conflict', 'Idempotency-Key: another request with it is under way', { retryable: true });
}

type Round = { submission: Submission; keys: readonly ItemKey[]; earlier: ReadonlyMap<string, Task[]> };

/** @returns null when somebody else's request with one of the keys committed meanwhile: look again */
async function submitFresh(ctx: CommandContext, { submission, keys, earlier }: Round, engines: Engines): Promise<Submitted | null> {
  const answered = new Map<number, Task>();
  for (const { key, indexes } of keys) {
    for (const [n, task] of (earlier.get(key) ?? []).entries()) answered.set(indexes[n] ?? n, task);
  }
  const fresh = submission.items.map((item, index) => ({ item, index })).filter(({ index }) => !answered.has(index));
  if (fresh.length === 0) return { tasks: submission.items.map((_, i) => answered.get(i) as Task), replayed: true, warnings: [] };
  const prepared = await prepareTasks(ctx, fresh, engines);
  const open = keys.filter(({ key }) => !earlier.has(key));
  const inserted = await insertOnce(ctx, wireTasks(prepared, submission.items, answered), open);
  if (!inserted) return null;
  for (const [n, task] of inserted.entries()) answered.set(fresh[n]?.index ?? n, task);
  const warnings = [...new Set(prepared.flatMap((task) => task.warnings))];
  return { tasks: submission.items.map((_, i) => answered.get(i) as Task), replayed: false, warnings };
}

/** One statement, one round trip; in a transaction where losing a key must undo something: other keys, or the charged quota. */
async function insertOnce(ctx: CommandContext, prepared: readonly PreparedTask[], keys: readonly ItemKey[]): Promise<Task[] | null> {
  const charged = prepared.some((p) => p.version.quota_cost > 0);
  const wired = prepared.some((p) => p.wiring);
  if (!wired && (keys.length === 0 || (keys.length === 1 && !charged))) return await insert(ctx.em, ctx, { prepared, keys });
  try {
    return await ctx.em.transactional(async (tx) => {
      const known = wired ? await lockUpstreams(tx as Em, ctx, prepared) : prepared;
      const tasks = await insert(tx as Em, ctx, { prepared: known, keys });
      if (!tasks) throw new KeyTaken();
      if (wired) await insertDependencies(tx as Em, known);
      return tasks;
    });
  } catch (error) {
    if (error instanceof KeyTaken) return null;
    throw error;
  }
}

class KeyTaken extends Error {}

type Insertion = { prepared: readonly PreparedTask[]; keys: readonly ItemKey[] };

async function insert(em: Em, ctx: CommandContext, { prepared, keys }: Insertion): Promise<Task[] | null> {
  const tasks = prepared.map((p) => draftTask(ctx, p));
  const byIndex = new Map(prepared.map((p, n) => [p.index, tasks[n] as Task]));
  const answers = keys.map(({ indexes }): StoredAnswer => ({ tasks: indexes.map((i) => byIndex.get(i) as Task) }));
  const cost = prepared.reduce((sum, p) => sum + p.version.quota_cost, 0);
  const rows = await query<{ now: string; gated: boolean; charged: boolean }>(em, SUBMIT, [
    ...taskColumns(tasks, prepared),
    ctx.actor.id,
    actorName(ctx.actor),
    ctx.request_id,
    cost,
    keys.map((k) => k.key),
    keys.map((k) => k.request_hash),
    answers.map((answer) => JSON.stringify(answer)),
    ...clockColumns(tasks),
  ]);
  const row = rows[0];
  if (!row?.charged) throw new EngineError('quota_exceeded', `quota: ${cost} needed, not enough left for user "${ctx.actor.username}"`);
  return row.gated ? tasks.map((task) => stampTask(task, new Date(row.now))) : null;
}

function taskColumns(tasks: readonly Task[], prepared: readonly PreparedTask[]): unknown[] {
  const column = (pick: (task: Task) => unknown) => tasks.map(pick);
  return [
    column((t) => t.uuid),
    column((t) => t.name),
    column((t) => t.template),
    prepared.map((p) => p.version.id),
    column((t) => t.type),
    column((t) => JSON.stringify(t.parameters)),
    column((t) => t.priority),
    column((t) => t.timeout),
    column((t) => t.queue),
    column((t) => JSON.stringify(t.tags)),
    column((t) => t.cpu),
    column((t) => t.memory_mb),
    tasks.map((t, i) => pinnedNeed(needKey(t.type, t.cpu, t.memory_mb), prepared[i]?.worker ?? null)),
    column((t) => t.not_before),
    prepared.map((p) => JSON.stringify(p.version.retry_policy)),
    prepared.map((p) => p.version.at_most_once),
    prepared.map((p) => p.version.quota_cost),
    prepared.map((p) => p.queue.step_s),
    prepared.map((p) => p.concurrency_key),
  ];
}

const clockColumns = (tasks: readonly Task[]): unknown[] => [
  tasks.map((t) => t.waits_for),
  tasks.map((t) => t.queue_timeout_s),
  tasks.map((t) => t.start_timeout_s),
  tasks.map((t) => t.total_timeout_s),
];

/**
 * The idempotency rows go first, in the order of their keys, so that two batches with the same ones cannot wait for each other in a ring: a
 * second request with the same key waits for the first one's commit and then finds the gate closed. Without
 * quota nothing is written either, and the key stays free, since both conditions gate every insert.
 * Tasks go in by their concurrency keys, whose rows a trigger touches, for the same reason.
 */
const SUBMIT = `
with charge as (
  update users set used_quota = used_quota + $23 where id = $20 and $23 > 0 and (quota is null or used_quota + $23 <= quota) returning id),
charged as (select $23 = 0 or exists (select 1 from charge) as ok),
gate as (
  insert into idempotency_keys (user_id, key, request_hash, response)
  select $20, k.key, k.hash, k.answer from charged, unnest($24::text[], $25::text[], $26::json[]) as k(key, hash, answer) where charged.ok
  order by k.key on conflict do nothing returning key),
open as (select charged.ok and (select count(*) from gate) = cardinality($24::text[]) as ok from charged),
s as (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::jsonb[], $7::int4[], $8::int4[], $9::text[], $10::jsonb[],
    $11::numeric[], $12::int4[], $13::text[], $14::timestamptz[], $15::jsonb[], $16::bool[], $17::int4[], $18::int4[],
    $19::text[], $27::int4[], $28::int4[], $29::int4[], $30::int4[])
  as s(uuid, name, template, version, type, parameters, priority, timeout, queue, tags, cpu, memory_mb, need, not_before, retry_policy,
    at_most_once, quota_cost, step_s, concurrency_key,
    waits_for, queue_timeout_s, start_timeout_s, total_timeout_s)),
t as (
  insert into tasks (uuid, name, template, template_version_id, type, status, pending_reason, parameters, priority, timeout, queue, user_id, tags,
    cpu, memory_mb, need, vtime, eligible_at, not_before, queued_at, retry_policy, at_most_once, quota_cost, concurrency_key, waits_for,
    queue_timeout_s, start_timeout_s, total_timeout_s)
  select s.uuid, s.name, s.template, s.version, s.type,
    case when s.waits_for > 0 or s.not_before > now()::timestamptz(3) then 'pending' else 'queued' end,
    case when s.waits_for > 0 then 'dependency' when s.not_before > now()::timestamptz(3) then 'not_before' end,
    s.parameters, s.priority, s.timeout, s.queue, $20, s.tags, s.cpu, s.memory_mb, s.need,
    greatest(now(), s.not_before) - make_interval(secs => s.priority * s.step_s), greatest(now(), s.not_before), s.not_before,
    case when s.waits_for > 0 or s.not_before > now()::timestamptz(3) then null else now() end, s.retry_policy, s.at_most_once, s.quota_cost, s.concurrency_key,
    s.waits_for, s.queue_timeout_s, s.start_timeout_s, s.total_timeout_s
  from s, open where open.ok order by s.concurrency_key
  returning uuid, status, template, queue, priority),
h as (
  insert into task_history (task_id, subject, to_status, reason, actor) select uuid, 'task', status, 'submitted', $21 from t),
a as (
  insert into audit_log (actor, action, subject_type, subject_id, after, request_id)
  select $21, 'task.submit', 'task', uuid::text, jsonb_build_object('template', template, 'queue', queue, 'priority', priority), $22 from t)
select now()::timestamptz(3) as now, open.ok as gated, charged.ok as charged from open, charged`;
