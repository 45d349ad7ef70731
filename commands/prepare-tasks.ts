import { isDeepStrictEqual } from 'node:util';
import { type Concurrency, concurrencyKey, templateBucket } from '../core/concurrency.ts';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import type { Fairness } from '../core/fair-share.ts';
import { mergeParameters } from '../core/parameters.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { RateLimit } from '../core/token-bucket.ts';
import type { Engine, Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import type { TaskSubmission } from '../schemas/task.ts';
import { checkSubmissions } from './check-submissions.ts';
import { type CommandContext, hasRight } from './context.ts';
import { FACTS, type Wanted, wantedKey } from './resolutions.ts';
import { parameterSchema } from './seed.ts';
import { engineProblems, schemaProblems } from './validate-parameters.ts';
import type { Wiring } from './wire-tasks.ts';

export type PreparedVersion = {
  id: number;
  template: string;
  version: number;
  engine: string;
  schema: Record<string, unknown>;
  defaults: Record<string, unknown>;
  priority: number;
  timeout: number;
  cpu: number;
  memory_mb: number;
  retry_policy: RetryPolicy;
  at_most_once: boolean;
  quota_cost: number;
  concurrency: Concurrency | null;
  rate_limit: RateLimit | null;
  queue_timeout_s: number | null;
  start_timeout_s: number | null;
  total_timeout_s: number | null;
};
export type PreparedQueue = { name: string; step_s: number; fairness: Fairness };

export type IndexedItem = { item: TaskSubmission; index: number };

/** A submission with everything resolved that the template and the queue decide. */
export type PreparedTask = {
  /** The item's place in the request. */
  index: number;
  item: TaskSubmission;
  version: PreparedVersion;
  queue: PreparedQueue;
  parameters: Record<string, unknown>;
  /** What it was checked against. */
  checked: Checked;
  /** The key of which it takes a place; null: none. */
  concurrency_key: string | null;
  /** The one worker that can run it; null: any that offers the engine. */
  worker: string | null;
  /** The bucket from which its start is taken; null: none. */
  rate_key: string | null;
  warnings: string[];
  /** What it waits for; only where it, or something that waits for it, names other tasks. */
  wiring?: Wiring;
};

/** `facts`: what template, queue and pool were when they were looked at. */
export type Checked = { key: string; wanted: Wanted; facts: string | null };

export type Resolved = PreparedVersion & {
  wanted_template: string;
  wanted_queue: string | null;
  wanted_version: number | null;
  queue_name: string | null;
  queue_status: string;
  step_s: number;
  fairness: Fairness;
  max_depth: number | null;
  depth: number;
  pool: string;
  pool_status: string;
  total_cpu: number;
  total_memory: number;
  offered: boolean;
  facts: string | null;
};

/**
 * Resolves templates and queues in one query and checks every item, reporting all bad ones together. Changes nothing.
 * @throws EngineError see `submitTasks`
 */
export async function prepareTasks(ctx: CommandContext, items: readonly IndexedItem[], engines: Engines): Promise<PreparedTask[]> {
  try {
    return await checkTasks(ctx, items, engines);
  } catch (error) {
    const known = ctx.submitting?.resolutions.forget(items.map(({ item }) => wantedKey(item)));
    if (!known || !(error instanceof EngineError)) throw error;
    return await checkTasks(ctx, items, engines);
  }
}

/** May rest on what was remembered, so that a refusal is to be looked at again. */
async function checkTasks(ctx: CommandContext, items: readonly IndexedItem[], engines: Engines): Promise<PreparedTask[]> {
  const wanted = items.map(({ item }) => item);
  const resolved = await resolve(ctx, wanted);
  const problems: Problem[] = [];
  const prepared = items.map(({ item, index }) => {
    const row = resolved.get(wantedKey(item));
    const outcome = prepareOne(ctx, { item, index, row, engines });
    if ('problem' in outcome) problems.push({ ...outcome.problem, index });
    return 'task' in outcome ? outcome.task : undefined;
  });
  if (problems.length > 0) throw combined(problems);
  const tasks = prepared.filter((task) => task !== undefined);
  for (const { index, errors } of await checkSubmissions(ctx, tasks, engines))
    problems.push({ code: 'invalid_input', message: `${errors[0]?.pointer} ${errors[0]?.detail}`, errors, index });
  if (problems.length > 0) throw combined(problems);
  await refuseFullKeys(ctx.em, tasks);
  return checkDepth(tasks, resolved);
}

type Problem = { code: EngineError['code']; message: string; errors: FieldProblem[]; index: number };
type Fault = Omit<Problem, 'index'>;

const fault = (code: Fault['code'], pointer: string, detail: string): Fault => ({ code, message: detail, errors: [{ pointer, detail }] });

/** One error for all bad items: pointers start with the item's index; the first item's code decides the kind. */
function combined(problems: readonly Problem[]): EngineError {
  const [first] = problems;
  const errors = problems.flatMap((p) => p.errors.map((e) => ({ pointer: `/${p.index}${e.pointer}`, detail: e.detail }))).slice(0, 100);
  return new EngineError(first?.code ?? 'invalid_input', first?.message ?? 'bad submission', { errors });
}

const versionOf = ({ template_version }: TaskSubmission): string => (template_version === undefined ? '' : ` version ${template_version}`);

type One = IndexedItem & { row: Resolved | undefined; engines: Engines };

function prepareOne(ctx: CommandContext, { item, index, row, engines }: One): { task: PreparedTask } | { problem: Fault } {
  if (!row) return { problem: fault('invalid_input', '/template', `template "${item.template}"${versionOf(item)}: there is none`) };
  if (!row.queue_name) return { problem: fault('invalid_input', '/queue', `queue "${item.queue}": there is none`) };
  const engine = engines.byKind(row.engine);
  if (!engine)
    return {
      problem: fault('conflict', '/template', `template "${row.template}": engine "${row.engine}" is not part of this installation`),
    };
  const closed = closedDoor(ctx, row, engine);
  if (closed) return { problem: closed };
  const parameters = mergeParameters(row.defaults, item.parameters);
  const errors = parameterProblems(row, engine, parameters);
  if (errors.length > 0)
    return { problem: { code: 'invalid_input', message: `parameters: ${errors[0]?.pointer} ${errors[0]?.detail}`, errors } };
  const warnings = row.offered ? [] : [`no live worker of pool "${row.pool}" offers ${row.engine} now: the task waits for one`];
  const concurrency_key = row.concurrency && concurrencyKey(row.template, row.concurrency, parameters);
  const worker = engine.worker?.(engine.parameters.parse(parameters)) ?? null;
  const rate_key = row.rate_limit && templateBucket(row.template, row.rate_limit, parameters);
  const queue = { name: row.queue_name, step_s: row.step_s, fairness: row.fairness };
  const checked = { key: wantedKey(item), wanted: item, facts: row.facts };
  return { task: { index, item, version: row, queue, parameters, checked, concurrency_key, rate_key, worker, warnings } };
}

function closedDoor(ctx: CommandContext, row: Resolved, engine: Engine): Fault | null {
  if (engine.right && !hasRight(ctx.actor, engine.right)) {
    return fault(
      'forbidden',
      '/template',
      `template "${row.template}" runs ${row.engine}: user "${ctx.actor.username}" lacks the right "${engine.right}"`,
    );
  }
  for (const [kind, name, status] of [
    ['queue', row.queue_name, row.queue_status],
    ['pool', row.pool, row.pool_status],
  ]) {
    if (status === 'drain') return fault('conflict', '/queue', `${kind} "${name}" is draining: it takes no new tasks`);
  }
  if (row.cpu <= row.total_cpu && row.memory_mb <= row.total_memory) return null;
  const detail = `${row.cpu} cores and ${row.memory_mb} MB needed, pool "${row.pool}" has ${row.total_cpu} cores and ${row.total_memory} MB in all`;
  return fault('unsatisfiable', '/template', detail);
}

/** Lists hold up to 200 tasks with their parameters, so these must stay small. */
const MOST_BYTES = 262_144;

function parameterProblems(row: Resolved, engine: Engine, parameters: Record<string, unknown>): FieldProblem[] {
  const bytes = Buffer.byteLength(JSON.stringify(parameters));
  if (bytes > MOST_BYTES) return [{ pointer: '/parameters', detail: `must not be larger than ${MOST_BYTES} bytes as JSON, got ${bytes}` }];
  const is_own = () => isDeepStrictEqual(row.schema, parameterSchema(engine));
  const problems = schemaProblems({ key: `version ${row.id}`, schema: row.schema, is_own }, parameters);
  return problems.length > 0 ? problems : engineProblems(engine.parameters, parameters);
}

/**
 * Keys with `on_limit: reject` take no more tasks than may run. Two requests at once may both pass here; the dispatcher then cancels the later task
 * instead of letting it wait.
 */
async function refuseFullKeys(em: Em, tasks: readonly PreparedTask[]): Promise<void> {
  const wanted = Map.groupBy(
    tasks.filter(({ version, concurrency_key }) => concurrency_key !== null && version.concurrency?.on_limit === 'reject'),
    ({ concurrency_key }) => concurrency_key as string,
  );
  if (wanted.size === 0) return;
  const rows = await query<{ key: string; n: number }>(em, OPEN_OF_KEYS, [[...wanted.keys()]]);
  const open = new Map(rows.map(({ key, n }) => [key, n]));
  for (const [key, mine] of wanted) {
    const limit = mine[0]?.version.concurrency?.limit ?? 0;
    const n = open.get(key) ?? 0;
    if (n + mine.length <= limit) continue;
    const detail = `key "${key}": ${n} of at most ${limit} tasks have it, ${mine.length} more do not fit`;
    throw new EngineError('conflict', detail, { errors: mine.map(({ index }) => ({ pointer: `/${index}/parameters`, detail })) });
  }
}

const OPEN_OF_KEYS = `select concurrency_key as key, count(*)::int4 as n from tasks
  where concurrency_key = any($1) and status in ('queued', 'processing') group by concurrency_key`;

/** `max_depth` may be overshot by submits under way at the same moment; a lock here would make every submit wait for every other. */
function checkDepth(prepared: PreparedTask[], resolved: Map<string, Resolved>): PreparedTask[] {
  for (const row of resolved.values()) {
    const added = prepared.filter((task) => task.queue.name === row.queue_name).length;
    if (row.max_depth !== null && row.depth + added > row.max_depth) {
      throw new EngineError(
        'too_many',
        `queue "${row.queue_name}": ${row.depth} tasks wait, ${added} more exceed its max_depth of ${row.max_depth}`,
      );
    }
  }
  return prepared;
}

const wantedBy = (row: Resolved): Wanted => ({
  template: row.wanted_template,
  queue: row.wanted_queue ?? undefined,
  template_version: row.wanted_version ?? undefined,
});

/** What may be remembered: nothing that counts tasks, and no complaint. */
const isLasting = ({ max_depth, offered, facts }: Resolved): boolean => max_depth === null && offered && facts !== null;

/** What each combination of template, version and queue is, by its key; what was resolved a short while ago is not asked for again. */
async function resolve({ em, submitting }: CommandContext, items: readonly TaskSubmission[]): Promise<Map<string, Resolved>> {
  const resolved = new Map<string, Resolved>();
  const wanted = new Map<string, Wanted>();
  for (const item of items) {
    const key = wantedKey(item);
    const known = submitting?.resolutions.get(key);
    if (known) resolved.set(key, known);
    else wanted.set(key, item);
  }
  for (const row of wanted.size === 0 ? [] : await lookUp(em, [...wanted.values()])) {
    const key = wantedKey(wantedBy(row));
    resolved.set(key, row);
    if (isLasting(row)) submitting?.resolutions.keep(key, row);
  }
  return resolved;
}

async function lookUp(em: Em, wanted: readonly Wanted[]): Promise<Resolved[]> {
  return await query<Resolved>(em, RESOLVE, [
    wanted.map((item) => item.template),
    wanted.map((item) => item.queue ?? null),
    wanted.map((item) => item.template_version ?? null),
  ]);
}

const RESOLVE = `
select w.template as wanted_template, w.queue as wanted_queue, w.version as wanted_version, v.id::int4 as id, t.name as template, v.version, t.engine, v.schema,
  v.parameters as defaults, v.priority, v.timeout, v.cpu::float8 as cpu, v.memory_mb, v.retry_policy, v.at_most_once, v.quota_cost, v.concurrency, v.rate_limit,
  v.queue_timeout_s, v.start_timeout_s, v.total_timeout_s,
  q.name as queue_name, q.status as queue_status, q.step_s, q.fairness, q.max_depth,
  case when q.max_depth is null then 0 else (select count(*)::int4 from tasks where tasks.queue = q.name and status = 'queued') end as depth,
  p.name as pool, p.status as pool_status, p.total_cpu::float8 as total_cpu, p.total_memory::float8 as total_memory,
  exists (select 1 from workers where workers.pool = p.name and workers.status = 'active' and heartbeat_at > now() - interval '60 seconds'
    and t.engine = any(engines)) as offered,
  ${FACTS} as facts
from unnest($1::text[], $2::text[], $3::int4[]) as w(template, queue, version)
join templates t on t.name = w.template
join template_versions v on v.template = t.name and v.version = coalesce(w.version, t.current_version)
left join queues q on q.name = coalesce(w.queue, v.queue)
left join pools p on p.name = q.pool`;
