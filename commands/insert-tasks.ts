import { needKey, pinnedNeed } from '../core/admission.ts';
import { EngineError } from '../core/errors.ts';
import { fairNeed } from '../core/fair-share.ts';
import { type Em, query } from '../entities/sql.ts';
import { sqlState } from '../entities/sql-state.ts';
import type { Task } from '../schemas/task.ts';
import { type Actor, actorName } from './context.ts';
import { draftTask, stampTask } from './draft-task.ts';
import { Gatherer } from './gatherer.ts';
import type { ItemKey } from './item-keys.ts';
import type { PreparedTask } from './prepare-tasks.ts';
import type { StoredAnswer } from './replayed-tasks.ts';
import { FACTS, factsJoin } from './resolutions.ts';

/** The checked tasks of one request, who makes it, and the idempotency keys that keep its answer. */
export type Insertion = { actor: Actor; request_id: string | null; prepared: readonly PreparedTask[]; keys: readonly ItemKey[] };

/**
 * The tasks as they were stored, or why nothing was: `stale`, template, queue or pool are not what the tasks were checked against; `taken`, somebody
 * else's request has one of the keys.
 */
export type Inserted = Task[] | 'stale' | 'taken';

/** Requests of so few tasks may wait a moment for each other; larger ones are a group by themselves. */
const FEW = 4;

/** Inserts of several requests that come at the same time. What does not fit into a group goes alone. */
export type Inserts = Pick<Gatherer<Insertion, Inserted>, 'add'>;

/** Whether a request may share a statement with others: what may fail by itself, or needs a transaction, may not. */
export const isGroupable = ({ prepared, keys }: Insertion): boolean =>
  prepared.length <= FEW && keys.length <= 1 && costOf(prepared) === 0 && !prepared.some(({ wiring, item }) => wiring || item.sla_id);

/** Statements that the database refused have done nothing; of others, whose answer was lost, nobody knows. */
export const makeInserts = (fork: () => Em): Inserts =>
  new Gatherer({ run: (items) => insertApart(fork(), items), again: (cause) => /^(2|4|P0)/.test(sqlState(cause) ?? '') });

/** Two requests with the same key must not meet in one statement: the second is to find what the first has written. */
async function insertApart(em: Em, insertions: readonly Insertion[]): Promise<Inserted[]> {
  const seen = new Set<string>();
  const first = insertions.filter((insertion) => {
    const names = keyNames(insertion);
    const free = names.every((name) => !seen.has(name));
    for (const name of names) seen.add(name);
    return free;
  });
  const inserted = await insertTasks(em, first);
  return insertions.map((insertion) => inserted[first.indexOf(insertion)] ?? 'taken');
}

const keyName = (user: number, key: string): string => `${user} ${key}`;
const keyNames = ({ actor, keys }: Insertion): string[] => keys.map(({ key }) => keyName(actor.id, key));
const costOf = (prepared: readonly PreparedTask[]): number => prepared.reduce((sum, p) => sum + p.version.quota_cost, 0);

/**
 * Stores tasks, history, audit and idempotency rows of some requests in one statement, each request all or nothing. A quota is charged to the user of the
 * first one: a request that costs any goes alone, as does one of several keys, in a transaction that is undone unless all of it was stored.
 * @throws EngineError quota_exceeded
 */
export async function insertTasks(em: Em, insertions: readonly Insertion[]): Promise<Inserted[]> {
  const requests = insertions.map((insertion) => ({ ...insertion, tasks: insertion.prepared.map((p) => draftTask(insertion.actor, p)) }));
  const cost = costOf(requests.flatMap(({ prepared }) => prepared));
  const rows = await query<{ now: string; fresh: boolean; charged: boolean; gated: string[] }>(em, SUBMIT, [
    ...taskColumns(requests),
    cost,
    ...keyColumns(requests),
    ...factColumns(requests),
  ]);
  const { now, fresh, charged, gated } = rows[0] as (typeof rows)[number];
  if (!fresh) return requests.map(() => 'stale');
  if (!charged) throw new EngineError('quota_exceeded', `quota: ${cost} needed, not enough left for user "${requests[0]?.actor.username}"`);
  const open = new Set(gated);
  const at = new Date(now);
  return requests.map((request) => {
    if (!keyNames(request).every((name) => open.has(name))) return 'taken';
    return request.tasks.map((task) => stampTask(task, at));
  });
}

type Request = Insertion & { tasks: readonly Task[] };

/** The key without which a task is not stored: its own, or else its request's, since that is stored as a whole. */
const gateOf = ({ keys }: Request, { index }: PreparedTask): string | null =>
  (keys.find(({ indexes }) => indexes.includes(index)) ?? keys[0])?.key ?? null;

function taskColumns(requests: readonly Request[]): unknown[] {
  const rows = requests.flatMap((request) =>
    request.tasks.map((task, n) => ({ task, request, prepared: request.prepared[n] as PreparedTask })),
  );
  const column = (pick: (task: Task) => unknown) => rows.map(({ task }) => pick(task));
  const checked = (pick: (prepared: PreparedTask) => unknown) => rows.map(({ prepared }) => pick(prepared));
  return [
    column((t) => t.uuid),
    column((t) => t.name),
    column((t) => t.template),
    checked((p) => p.version.id),
    column((t) => t.type),
    column((t) => JSON.stringify(t.parameters)),
    column((t) => t.priority),
    column((t) => t.timeout),
    column((t) => t.queue),
    column((t) => JSON.stringify(t.tags)),
    column((t) => t.cpu),
    column((t) => t.memory_mb),
    rows.map(needOf),
    column((t) => t.not_before),
    checked((p) => JSON.stringify(p.version.retry_policy)),
    checked((p) => p.version.at_most_once),
    checked((p) => p.version.quota_cost),
    checked((p) => p.queue.step_s),
    checked((p) => p.concurrency_key),
    column((t) => t.waits_for),
    column((t) => t.queue_timeout_s),
    column((t) => t.start_timeout_s),
    column((t) => t.total_timeout_s),
    rows.map(({ request }) => request.actor.id),
    rows.map(({ request }) => actorName(request.actor)),
    rows.map(({ request }) => request.request_id),
    rows.map(({ request, prepared }) => gateOf(request, prepared)),
    checked((p) => p.rate_key),
    column((t) => t.deadline),
    checked((p) => p.batchable),
  ];
}

type Row = { task: Task; request: Request; prepared: PreparedTask };

const needOf = ({ task, request, prepared }: Row): string =>
  fairNeed(pinnedNeed(needKey(task.type, task.cpu, task.memory_mb), prepared.worker), prepared.queue.fairness, request.actor.id);

function keyColumns(requests: readonly Request[]): unknown[] {
  const rows = requests.flatMap(({ actor, keys, prepared, tasks }) => {
    const byIndex = new Map(prepared.map((p, n) => [p.index, tasks[n] as Task]));
    return keys.map(({ key, request_hash, indexes }) => {
      const answer: StoredAnswer = { tasks: indexes.map((i) => byIndex.get(i) as Task) };
      return { user: actor.id, key, request_hash, answer: JSON.stringify(answer) };
    });
  });
  return [rows.map((r) => r.user), rows.map((r) => r.key), rows.map((r) => r.request_hash), rows.map((r) => r.answer)];
}

/** What the tasks were checked against, once for each template and queue. */
function factColumns(requests: readonly Request[]): unknown[] {
  const rows = [...new Map(requests.flatMap(({ prepared }) => prepared.map(({ checked }) => [checked.key, checked]))).values()];
  return [
    rows.map(({ wanted }) => wanted.template),
    rows.map(({ wanted }) => wanted.queue ?? null),
    rows.map(({ wanted }) => wanted.template_version ?? null),
    rows.map(({ facts }) => facts),
  ];
}

/**
 * Nothing is written unless template, queue and pool are what the tasks were checked against: what is remembered of them may be old. The idempotency
 * rows go first, in the order of their keys, so that two batches with the same ones cannot wait for each other in a ring: a second request with
 * the same key waits for the first one's commit and then finds the gate closed. Without quota nothing is written either, and the key stays free.
 * Tasks go in by their concurrency keys, whose rows a trigger touches, for the same reason.
 */
const SUBMIT = `
with fresh as (
  select not exists (
    select 1 from unnest($36::text[], $37::text[], $38::int4[], $39::text[]) as w(template, queue, version, facts)
    where w.facts is distinct from (select ${FACTS} from ${factsJoin('w')})) as ok),
charge as (
  update users set used_quota = used_quota + $31 where id = ($24::int8[])[1] and $31 > 0 and (quota is null or used_quota + $31 <= quota)
    and (select ok from fresh) returning id),
charged as (select $31 = 0 or exists (select 1 from charge) as ok),
gate as (
  insert into idempotency_keys (user_id, key, request_hash, response)
  select k.user_id, k.key, k.hash, k.answer
  from charged, fresh, unnest($32::int8[], $33::text[], $34::text[], $35::json[]) as k(user_id, key, hash, answer) where charged.ok and fresh.ok
  order by k.user_id, k.key on conflict do nothing returning user_id, key),
s as (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::jsonb[], $7::int4[], $8::int4[], $9::text[], $10::jsonb[],
    $11::numeric[], $12::int4[], $13::text[], $14::timestamptz[], $15::jsonb[], $16::bool[], $17::int4[], $18::int4[],
    $19::text[], $20::int4[], $21::int4[], $22::int4[], $23::int4[], $24::int8[], $25::text[], $26::text[], $27::text[], $28::text[], $29::timestamptz[], $30::bool[])
  as s(uuid, name, template, version, type, parameters, priority, timeout, queue, tags, cpu, memory_mb, need, not_before, retry_policy,
    at_most_once, quota_cost, step_s, concurrency_key,
    waits_for, queue_timeout_s, start_timeout_s, total_timeout_s, user_id, actor, request_id, gate, rate_key, deadline, batchable)),
t as (
  insert into tasks (uuid, name, template, template_version_id, type, status, pending_reason, parameters, priority, timeout, queue, user_id, tags,
    cpu, memory_mb, need, vtime, eligible_at, not_before, queued_at, retry_policy, at_most_once, quota_cost, concurrency_key, waits_for,
    queue_timeout_s, start_timeout_s, total_timeout_s, rate_key, deadline, batchable)
  select s.uuid, s.name, s.template, s.version, s.type,
    case when s.waits_for > 0 or s.not_before > now()::timestamptz(3) then 'pending' else 'queued' end,
    case when s.waits_for > 0 then 'dependency' when s.not_before > now()::timestamptz(3) then 'not_before' end,
    s.parameters, s.priority, s.timeout, s.queue, s.user_id, s.tags, s.cpu, s.memory_mb, s.need,
    task_vtime(greatest(now(), s.not_before), s.priority, s.step_s, s.deadline, s.timeout, s.template), greatest(now(), s.not_before), s.not_before,
    case when s.waits_for > 0 or s.not_before > now()::timestamptz(3) then null else now() end, s.retry_policy, s.at_most_once, s.quota_cost, s.concurrency_key,
    s.waits_for, s.queue_timeout_s, s.start_timeout_s, s.total_timeout_s, s.rate_key, s.deadline, s.batchable
  from s, charged, fresh
  where charged.ok and fresh.ok and (s.gate is null or exists (select 1 from gate where gate.user_id = s.user_id and gate.key = s.gate))
  order by s.concurrency_key
  returning uuid, status, template, queue, priority),
h as (
  insert into task_history (task_id, subject, to_status, reason, actor) select t.uuid, 'task', t.status, 'submitted', s.actor from t join s on s.uuid = t.uuid),
a as (
  insert into audit_log (actor, action, subject_type, subject_id, after, request_id)
  select s.actor, 'task.submit', 'task', t.uuid::text, jsonb_build_object('template', t.template, 'queue', t.queue, 'priority', t.priority), s.request_id
  from t join s on s.uuid = t.uuid)
select now()::timestamptz(3) as now, fresh.ok as fresh, charged.ok as charged,
  coalesce((select array_agg(user_id || ' ' || key) from gate), '{}') as gated
from fresh, charged`;
