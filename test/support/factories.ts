import { z } from 'zod';
import { type AdmitOptions, admit } from '../../commands/admit.ts';
import { type Claim, claimInstance } from '../../commands/claim-instance.ts';
import type { Actor, CommandContext } from '../../commands/context.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { loadConfig } from '../../config/env.ts';
import type { Concurrency } from '../../core/concurrency.ts';
import type { Fairness } from '../../core/fair-share.ts';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import { NO_RETRY, type RetryPolicy } from '../../core/retry.ts';
import type { FinalInstanceStatus } from '../../core/states.ts';
import type { RateLimit } from '../../core/token-bucket.ts';
import { defineEngine, type Engine, type Engines } from '../../engines/define-engine.ts';
import { createFlamesEngine } from '../../engines/flames/index.ts';
import { createImageEngine } from '../../engines/image/index.ts';
import { createVideoEngine } from '../../engines/video/index.ts';
import { type Em, query } from '../../entities/sql.ts';
import { type Task, TaskSubmission } from '../../schemas/task.ts';

const engine = (kind: string, right: 'shell' | null): Engine =>
  defineEngine({
    kind,
    summary: `a test's ${kind}`,
    parameters: z.strictObject({ n: z.int().optional(), text: z.string().optional() }),
    result: z.strictObject({}),
    on_worker_lost: 'new_instance',
    batchable: false,
    right,
    defaults: { cpu: 1, memory_mb: 100 },
    available: async () => ({ ok: true }),
    run: async () => completed({}),
  });

const flames = createFlamesEngine({ OUTBOUND_ALLOW: ['127.0.0.1'], FLAMES_CACHE_HOURS: 1 });
const video = createVideoEngine(loadConfig({}), 'none');
/** Images as the real engine takes them, without a Docker Engine. */
const images = {
  ...createImageEngine({ DOCKER_HOST: undefined }, 'none'),
  run: async () => completed({}),
};

const all = [engine('empty', null), engine('other', null), engine('shell', 'shell'), images, flames, video] as unknown as Engine[];

/** Engines for tests of commands: nothing is run by them. `empty` and `other` are for everybody, `shell` needs its right, `flames` and `video` are the real ones. */
export const testEngines: Engines = { all, byKind: (kind) => all.find((e) => e.kind === kind) };

const BOOT_ID = '00000000-0000-4000-8000-000000000001';

/** Cores and MB. */
export type Size = { cpu: number; memory_mb: number };
const LARGE: Size = { cpu: 1000, memory_mb: 1_000_000 };

export async function makePool(em: Em, name = 'p', { cpu, memory_mb }: Size = LARGE): Promise<string> {
  await query(em, 'insert into pools (name, total_cpu, total_memory) values ($1, $2, $3)', [name, cpu, memory_mb]);
  return name;
}

export type QueueOptions = {
  pool?: string;
  capacity?: number;
  priority?: number;
  step_s?: number;
  max_depth?: number | null;
  rate_limit?: Omit<RateLimit, 'key'> | null;
  fairness?: Fairness;
};

export async function makeQueue(em: Em, name = 'q', options: QueueOptions = {}): Promise<string> {
  const { pool = 'p', capacity = 1000, priority = 50, step_s = 60, max_depth = null, rate_limit = null, fairness = 'none' } = options;
  await query(
    em,
    `insert into queues (name, pool, capacity, priority, step_s, max_depth, rate_limit, fairness) values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)`,
    [name, pool, capacity, priority, step_s, max_depth, rate_limit && JSON.stringify(rate_limit), fairness],
  );
  return name;
}

export type WorkerOptions = Partial<Size> & { pool?: string; engines?: string[]; boot_id?: string };

/** A worker whose heart has beaten an hour ahead: nobody beats it in tests of commands, however long they take. */
export async function makeWorker(em: Em, id = 'w', options: WorkerOptions = {}): Promise<string> {
  const { cpu, memory_mb, pool, engines, boot_id } = {
    ...LARGE,
    pool: 'p',
    engines: ['empty', 'other', 'shell', 'video'],
    boot_id: BOOT_ID,
    ...options,
  };
  await query(
    em,
    `insert into workers (id, pool, hostname, pid, boot_id, total_cpu, total_memory, engines, heartbeat_at)
     values ($1, $2, 'host', 1, $3, $4, $5, $6, now() + interval '1 hour')`,
    [id, pool, boot_id, cpu, memory_mb, engines],
  );
  return id;
}

export type TemplateOptions = Partial<Size> & {
  engine?: string;
  queue?: string;
  schema?: Record<string, unknown>;
  parameters?: Record<string, unknown>;
  retry?: Partial<RetryPolicy>;
  at_most_once?: boolean;
  quota_cost?: number;
  concurrency?: Concurrency | null;
  batchable?: boolean;
  rate_limit?: RateLimit | null;
};

export async function makeTemplate(em: Em, name = 't', options: TemplateOptions = {}): Promise<string> {
  const { engine: kind = 'empty', queue = 'q', schema = {}, parameters = {}, cpu = 1, memory_mb = 100 } = options;
  const policy = { ...NO_RETRY, ...options.retry };
  await query(
    em,
    `with t as (insert into templates (name, engine) values ($1, $2) returning name)
     insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, at_most_once, quota_cost,
       concurrency, rate_limit, batchable)
     select name, 1, $3::jsonb, $4::jsonb, $5, $6, $7, $8::jsonb, $9, $10, $11::jsonb, $12::jsonb, $13 from t`,
    [
      name,
      kind,
      JSON.stringify(schema),
      JSON.stringify(parameters),
      queue,
      cpu,
      memory_mb,
      JSON.stringify(policy),
      options.at_most_once ?? false,
      options.quota_cost ?? 0,
      options.concurrency ? JSON.stringify(options.concurrency) : null,
      options.rate_limit ? JSON.stringify(options.rate_limit) : null,
      options.batchable ?? null,
    ],
  );
  return name;
}

export type UserOptions = { role?: Actor['role']; rights?: string[]; quota?: number | null };

export async function makeUser(em: Em, username = 'ada', options: UserOptions = {}): Promise<Actor> {
  const { role = 'user', rights = [], quota = null } = options;
  const rows = await query<{ id: number }>(
    em,
    'insert into users (username, role, rights, quota) values ($1, $2, $3, $4) returning id::int4 as id',
    [username, role, rights, quota],
  );
  return { id: rows[0]?.id ?? 0, username, role, rights };
}

/** The context of a request by this actor, on an entity manager of its own. */
export const contextOf = (em: Em, actor: Actor): CommandContext => ({ em: em.fork() as Em, actor, request_id: null });

/** One pool, queue, worker, template and user, under the names `p`, `q`, `w`, `t` and `ada`. */
export async function makeWorld(em: Em, options: { queue?: QueueOptions; worker?: WorkerOptions; template?: TemplateOptions } = {}) {
  await makePool(em);
  await makeQueue(em, 'q', options.queue);
  await makeWorker(em, 'w', options.worker);
  await makeTemplate(em, 't', options.template);
  return contextOf(em, await makeUser(em));
}

/** Removes every row, so that tests of one file start alike. */
export async function emptyDatabase(em: Em): Promise<void> {
  await query(em, `alter table task_history disable trigger refuse_truncate`);
  await query(em, `alter table audit_log disable trigger refuse_truncate`);
  await query(em, `truncate users, secrets, slas, pools, task_history, audit_log, concurrency_keys, rate_buckets, delivery_lanes cascade`);
  await query(em, `alter table task_history enable trigger refuse_truncate`);
  await query(em, `alter table audit_log enable trigger refuse_truncate`);
}

/** A submission as the API would pass it on. */
export const submission = (item: Partial<TaskSubmission> = {}): TaskSubmission => TaskSubmission.parse({ template: 't', ...item });

/** Submits `count` equal tasks. */
export async function submit(ctx: CommandContext, item: Partial<TaskSubmission> = {}, count = 1): Promise<Task[]> {
  const items = Array.from({ length: count }, () => submission(item));
  return (await submitTasks(ctx, { items, idempotency: null }, testEngines)).tasks;
}

export async function submitOne(ctx: CommandContext, item: Partial<TaskSubmission> = {}): Promise<Task> {
  return (await submit(ctx, item))[0] as Task;
}

/** A task of the template `t` whose instance was admitted, and claimed by its worker unless told not to. */
export async function startTask(ctx: CommandContext, options: { claimed?: boolean; item?: Partial<TaskSubmission> } = {}) {
  const task = await submitOne(ctx, options.item);
  const instance = (await admit(ctx.em)).find((i) => i.task_id === task.uuid);
  if (!instance) throw new Error(`task ${task.uuid} was not admitted`);
  if (options.claimed !== false) await claim(ctx.em, instance);
  return { ...instance, task };
}

export const claim = async (em: Em, { runid, worker }: { runid: string; worker: string }, execution = 1): Promise<Claim | null> =>
  await claimInstance(em, { runid, execution, worker, boot_id: BOOT_ID, temporal_run_id: 'run' });

/** How an instance may end, with the usual code. */
export const outcome = (status: FinalInstanceStatus, code: string = status): Outcome =>
  status === 'completed' ? completed({ done: true }) : ended(status, { code, message: `it ${status}` });

/** Admits until nothing more starts; @returns how many did. */
export async function admitAll(em: Em, options: AdmitOptions = {}): Promise<number> {
  for (let total = 0; ; ) {
    const { length } = await admit(em, options);
    if (length === 0) return total;
    total += length;
  }
}

export type TaskRow = {
  uuid: string;
  status: string;
  status_reason: string | null;
  pending_reason: string | null;
  attempt: number;
  retries_used: number;
  result: unknown;
  error: { code: string } | null;
  not_before: string | null;
  cancel_requested: boolean;
};

export async function taskRow(em: Em, uuid: string): Promise<TaskRow> {
  const rows = await query<TaskRow>(
    em,
    `select uuid, status, status_reason, pending_reason, attempt, retries_used, result, error, not_before,
       cancel_requested_at is not null as cancel_requested from tasks where uuid = $1`,
    [uuid],
  );
  return rows[0] as TaskRow;
}

/** What queues, pools and workers count as held; all zero when nothing runs. Cores and MB. */
export async function heldAmounts(
  em: Em,
): Promise<{ load: number; pool_cpu: number; pool_memory: number; worker_cpu: number; worker_memory: number }> {
  const rows = await query(
    em,
    `select (select coalesce(sum(current_load), 0)::int4 from queues) as load, (select coalesce(sum(used_cpu), 0)::float8 from pools) as pool_cpu,
       (select coalesce(sum(used_memory), 0)::float8 from pools) as pool_memory, (select coalesce(sum(used_cpu), 0)::float8 from workers) as worker_cpu,
       (select coalesce(sum(used_memory), 0)::float8 from workers) as worker_memory`,
  );
  return rows[0] as Awaited<ReturnType<typeof heldAmounts>>;
}

export const NOTHING_HELD = { load: 0, pool_cpu: 0, pool_memory: 0, worker_cpu: 0, worker_memory: 0 };

export async function countOf(em: Em, sql: string, parameters: unknown[] = []): Promise<number> {
  const rows = await query<{ n: number }>(em, `select count(*)::int4 as n from ${sql}`, parameters);
  return rows[0]?.n ?? -1;
}
