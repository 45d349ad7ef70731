import { uuidv7 } from 'uuidv7';
import type { Admission, Refusal } from '../core/admission.ts';
import { type HeldBack, planStarts, type Start, WAVE_LEAST } from '../core/waves.ts';
import { type Em, query } from '../entities/sql.ts';
import { type Choice, type Choosing, chooseTasks } from './choose-tasks.ts';
import { chargeStarts, clearTheWay, type Obstacles, obstaclesOf } from './clear-the-way.ts';
import { STOP_MARGIN_S } from './end-overdue.ts';
import { untilToken } from './rate-buckets.ts';
import { recordDecisions } from './record-decisions.ts';
import { settleKeys } from './settle-keys.ts';
import { loadRoom, type RoomRows, waitingQueues } from './snapshot.ts';
import { openThrottled } from './throttle-tasks.ts';

/** An instance that holds its grant and waits for its workflow: all that starting it needs. `timeout` in seconds; `p90_s`: see `core/run-time.ts`. */
export type AdmittedInstance = {
  runid: string;
  task_id: string;
  attempt: number;
  workflow_id: string;
  worker: string;
  engine: string;
  queue: string;
  pool: string;
  template: string;
  user: string;
  name: string;
  priority: number;
  timeout: number;
  p90_s: number | null;
};

/** Starts that an earlier pass of the same dispatcher held back, to be told anew by each; see `core/waves.ts`. */
export type Gathering = { held: HeldBack; wait_ms: number | null };

/**
 * `record`: look at the heads of all groups and write down why heads of groups did not start, for those that have no such row of the last second. `on_token`: called with the milliseconds until a token
 * comes that tasks wait for, or until there is more to do. `waves`: short tasks that start together share a workflow; absent: each has its own.
 */
export type AdmitOptions = {
  limit?: number;
  lost_after_s?: number;
  record?: boolean;
  on_token?: (in_ms: number) => void;
  waves?: Gathering | null;
};

/** Passes of one call: each but the last has taken tasks without a token out of the way, or made buckets, so that the next one sees further. */
const MOST_PASSES = 50;

/**
 * One admission pass in one transaction: locks queues, pools and workers, chooses tasks and the worker each runs on, and writes instances,
 * grants, counters, states and history. Several dispatchers may run it at once. The caller starts the workflows after the commit.
 * @returns the admitted instances, in no order; empty when nothing could start
 */
export async function admit(em: Em, options: AdmitOptions = {}): Promise<AdmittedInstance[]> {
  if (options.waves) options.waves.wait_ms = null;
  const { queues, dirty_keys, token_in_ms } = await waitingQueues(em);
  if (dirty_keys) await settleKeys(em);
  await passTokensOn(em, token_in_ms, options);
  if (queues.length === 0) return [];
  const { limit = 200 } = options;
  const admitted: AdmittedInstance[] = [];
  for (let n = 0; n < MOST_PASSES && admitted.length < limit; n += 1) {
    const pass = await onePass(em, queues, { ...options, limit: limit - admitted.length });
    admitted.push(...pass.admitted);
    if (!(await clearTheWay(em, pass.obstacles, options.on_token ?? NOBODY))) break;
  }
  return admitted;
}

const NOBODY = (): void => undefined;

/** Lets tasks be candidates whose token has come, and says when the next one does. */
async function passTokensOn(em: Em, token_in_ms: number | null, { on_token = NOBODY }: AdmitOptions): Promise<void> {
  const next = token_in_ms !== null && token_in_ms <= 0 ? await openThrottled(em) : token_in_ms;
  if (next !== null) on_token(next);
}

type Pass = { admitted: AdmittedInstance[]; obstacles: Obstacles };

async function onePass(em: Em, waiting: readonly string[], options: AdmitOptions & { limit: number }): Promise<Pass> {
  const { limit, lost_after_s = 60, record = true, waves = null } = options;
  const { refusals, ...pass } = await em.transactional(async (tx) => {
    const room = await loadRoom(tx as Em, waiting, { lock: true, lost_after_s });
    const queues = openQueues(room);
    if (queues.length === 0) return { admitted: [], refusals: [], obstacles: obstaclesOf(room, null, null) };
    return await choose(tx as Em, room, { queues, limit, lock: true, whole: record, waves });
  });
  if (record && refusals.length > 0) await recordDecisions(em, refusals);
  return pass;
}

/** Nothing starts while a bucket has to be made first: what waits for that would be passed by others. */
async function choose(
  tx: Em,
  room: RoomRows,
  { waves, ...choosing }: Choosing & { waves: Gathering | null },
): Promise<Pass & { refusals: readonly Refusal[] }> {
  const choice = await chooseTasks(tx, room, choosing);
  if (choice.missing.length > 0) return { admitted: [], refusals: [], obstacles: obstaclesOf(room, choice, null) };
  const { refusals } = choice.decisions;
  const starts = startsOf(choice, waves);
  const admitted = starts.length === 0 ? [] : await writeAdmissions(tx, starts, room.now);
  const taken_ms = await chargeStarts(tx, admitted, choice.snapshot);
  return { admitted, refusals, obstacles: obstaclesOf(room, choice, taken_ms) };
}

/** What starts now; what is held back is noted in `waves`. */
function startsOf({ snapshot, decisions, more }: Choice, waves: Gathering | null): readonly (Admission & Partial<Start>)[] {
  if (!waves) return decisions.admissions;
  const { starts, held, wait_ms } = planStarts({ snapshot, decisions, more, held: waves.held });
  Object.assign(waves, { held, wait_ms });
  return starts;
}

/** Queues that could start something; the others are not searched, nor is one whose own bucket has no token. */
export function openQueues(room: RoomRows): string[] {
  const poolOpen = new Map(room.pools.map((pool) => [pool.name, pool.status !== 'hold' && room.workers.some((w) => w.pool === pool.name)]));
  return room.queues
    .filter((queue) => queue.status !== 'hold' && queue.current_load < queue.capacity && poolOpen.get(queue.pool))
    .filter(({ bucket }) => bucket === null || room.buckets.some((b) => b.name === bucket && untilToken(b, room.now) === 0))
    .map((queue) => queue.name);
}

/** Writes what was chosen at `now` (milliseconds), as far as it still holds. In the transaction that holds the locks of `loadRoom`. */
export async function writeAdmissions(
  em: Em,
  admissions: readonly (Admission & Partial<Start>)[],
  now: number,
): Promise<AdmittedInstance[]> {
  return await query<AdmittedInstance>(em, ADMIT, [
    admissions.map((a) => a.uuid),
    admissions.map(() => uuidv7()),
    admissions.map((a) => a.worker),
    admissions.map((a) => a.queue),
    admissions.map((a) => a.need),
    now / 1000,
    admissions.map((a) => a.wave_size ?? 1),
  ]);
}

/**
 * Locks what was chosen, looks again, and leaves out what somebody else has changed or holds: a task that was moved to another queue meanwhile has
 * neither room nor worker there. The pool's sequence is read where its row is locked
 * already. What is needed later is carried along, never looked up in a step before: the planner expects one row of each, and would join hundreds of them in nested
 * loops. Short tasks of one worker, queue, template and user are divided evenly into waves of at most `wave_size`. A decision that another pass is writing down just
 * now is left: waiting for it here could deadlock. Instances are made as of the moment for which it was decided that they may start. Counters change only here and in
 * finish-instances.ts, always in the statement that writes or releases the grants.
 */
const ADMIT = `
with a as (select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $7::int4[]) as a(uuid, runid, worker, queue, need, wave_size)),
still as (
  select a.* from a join tasks on tasks.uuid = a.uuid
  where tasks.status || '' = 'queued' and not tasks.parked order by tasks.uuid for no key update of tasks skip locked),
t as (
  update tasks set status = 'processing', attempt = attempt + 1, status_reason = null
  from still
  where tasks.uuid = still.uuid and tasks.status || '' = 'queued' and not tasks.parked and tasks.queue = still.queue and tasks.need = still.need
  returning tasks.uuid, tasks.name, tasks.type, tasks.template, tasks.queue, tasks.user_id, tasks.priority, tasks.vtime, tasks.attempt, tasks.cpu, tasks.memory_mb,
    tasks.timeout, tasks.tags, tasks.due_at, still.runid, still.worker, still.wave_size),
k as (
  select *, row_number() over (g order by vtime, uuid) - 1 as n, count(*) over g as total
  from t window g as (partition by worker, queue, template, user_id, wave_size >= ${WAVE_LEAST})),
s as (
  select *, case when wave_size >= ${WAVE_LEAST} and count(*) over wave >= ${WAVE_LEAST} then 'wave/' || min(runid::text) over wave else 'task/' || uuid || '/' || attempt end as workflow_id
  from k window wave as (partition by worker, queue, template, user_id, wave_size >= ${WAVE_LEAST}, n * ((total + wave_size - 1) / wave_size) / total)),
i as (
  insert into instances (runid, task_id, attempt, workflow_id, worker, cpu, memory_mb, timeout, tags, due_at, stop_by, created_at)
  select runid, uuid, attempt, workflow_id, worker, cpu, memory_mb, timeout, tags, due_at,
    due_at + make_interval(secs => ${STOP_MARGIN_S}), to_timestamp($6::float8) from s),
g as (
  insert into grants (runid, queue, pool, worker, cpu, memory_mb, acquire_seq)
  select t.runid, t.queue, q.pool, t.worker, t.cpu, t.memory_mb, p.seq + row_number() over (partition by q.pool order by t.runid)
  from t join queues q on q.name = t.queue join pools p on p.name = q.pool),
h as (
  insert into task_history (task_id, runid, subject, from_status, to_status, actor)
  select uuid, null::uuid, 'task', 'queued', 'processing', 'dispatcher' from t
  union all select uuid, runid, 'instance', null, 'starting', 'dispatcher' from t),
uq as (
  update queues set current_load = current_load + n.n
  from (select queue, count(*)::int4 as n from t group by queue) n where queues.name = n.queue),
up as (
  update pools set used_cpu = used_cpu + n.cpu, used_memory = used_memory + n.memory, seq = seq + n.n
  from (select q.pool, count(*) as n, sum(t.cpu) as cpu, sum(t.memory_mb) as memory from t join queues q on q.name = t.queue group by q.pool) n
  where pools.name = n.pool),
uw as (
  update workers set used_cpu = used_cpu + n.cpu, used_memory = used_memory + n.memory
  from (select worker, sum(cpu) as cpu, sum(memory_mb) as memory from t group by worker) n where workers.id = n.worker),
d as (
  delete from admission_decisions where task_id in (
    select task_id from admission_decisions where task_id in (select uuid from t) order by task_id for update skip locked))
select t.runid, t.uuid as task_id, t.attempt, t.workflow_id, t.worker, t.type as engine, t.queue, q.pool,
  t.template, u.username as user, t.name, t.priority, t.timeout, r.p90_s
from s t join queues q on q.name = t.queue join users u on u.id = t.user_id left join template_runtimes r on r.template = t.template`;

/**
 * The outbox: instances that were admitted but whose workflow nobody has seen run yet. Starting one again is harmless (same workflow id).
 * @param options.older_than_ms leaves fresh ones to the dispatcher that admitted them
 */
export async function startable(em: Em, options: { older_than_ms: number; limit: number }): Promise<AdmittedInstance[]> {
  return await query<AdmittedInstance>(
    em,
    `select i.runid, i.task_id, i.attempt, i.workflow_id, i.worker, t.type as engine, g.queue, g.pool, t.template, u.username as user, t.name,
       t.priority, i.timeout, r.p90_s
     from instances i join tasks t on t.uuid = i.task_id join grants g on g.runid = i.runid join users u on u.id = t.user_id
       left join template_runtimes r on r.template = t.template
     where i.status = 'starting' and i.created_at < now() - make_interval(secs => $1)
     order by i.created_at limit $2`,
    [options.older_than_ms / 1000, options.limit],
  );
}
