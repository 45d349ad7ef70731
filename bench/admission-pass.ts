import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { admit } from '../commands/admit.ts';
import { finishInstances } from '../commands/finish-instances.ts';
import { FIRST_IN_LINE, HEADS_OF_GROUPS } from '../commands/snapshot.ts';
import { completed } from '../core/outcome.ts';
import { createOrm } from '../entities/orm.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { migrateUp } from '../platform/migrations.ts';
import { runEntry } from '../platform/run-entry.ts';
import { median } from './percentiles.ts';

/**
 * What one admission pass costs with so many waiting tasks, in milliseconds: one that starts nothing, one that starts what an end made room for, and one that
 * writes down why the head of each need does not start, as a dispatcher does once a second: its cost goes with the needs, not with the tasks.
 */
type Cost = { waiting: number; candidates: number; needs: number; keys: number; idle_ms: number; refill_ms: number; recorded_ms: number };

const SIZES = [100, 10_000, 100_000];
const KEYS = 10_000;
const NEEDS = 1_000;
const PASSES = 40;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** A pool of 20 cores that is always full, one queue, and a template with a concurrency key. */
const WORLD = [
  `truncate users, slas, pools, templates, task_history, audit_log, concurrency_keys cascade`,
  `insert into pools (name, total_cpu, total_memory) values ('p', 20, 100000)`,
  `insert into queues (name, pool, capacity) values ('q', 'p', 1000)`,
  `insert into workers (id, pool, hostname, pid, boot_id, total_cpu, total_memory, engines)
   values ('w', 'p', 'host', 1, gen_random_uuid(), 20, 100000, '{empty}')`,
  `insert into users (username, quota) values ('bench', null)`,
  `insert into templates (name, engine) values ('t', 'empty')`,
  `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, concurrency)
   values ('t', 1, '{}', '{}', 'q', 1, 1, '{"max_attempts": 1}', '{"key": "k", "limit": 1, "on_limit": "queue"}')`,
];

/** Tasks of up to 1,000 different needs (1 to 2 cores), each with one of up to 10,000 keys; of each key all but one are parked. */
const FILL = `
insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy, concurrency_key)
select 'n', 't', v.id, 'empty', 'queued', 'q', u.id, 1 + need / 1000.0, 1, 'empty|' || need, now() + n * interval '1 ms', now(), v.retry_policy,
  'key ' || n % ${KEYS}
from generate_series(1, $1::int) n, lateral (select n % ${NEEDS} as need) d, template_versions v, users u`;

async function prepare(em: Em, waiting: number): Promise<void> {
  await query(em, 'alter table task_history disable trigger refuse_truncate');
  await query(em, 'alter table audit_log disable trigger refuse_truncate');
  for (const statement of WORLD) await query(em, statement);
  await query(em, FILL, [waiting]);
  for (let dirty = 1; dirty > 0; ) {
    await admit(em);
    dirty = (await query<{ n: number }>(em, 'select count(*)::int4 as n from concurrency_keys where dirty'))[0]?.n ?? 0;
  }
  await query(em, 'vacuum (analyze) tasks, concurrency_keys, grants, instances, queues, pools, workers');
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function measure(em: Em, waiting: number): Promise<Cost> {
  await prepare(em, waiting);
  const [idle, refill, recorded]: [number[], number[], number[]] = [[], [], []];
  for (let n = 0; n < PASSES; n += 1) {
    idle.push(await timed(() => admit(em, { record: false })));
    const live = await query<{ runid: string }>(em, `select runid from grants where released_at is null order by runid limit 1`);
    const items = live.map(({ runid }) => ({ runid, lease_epoch: null, outcome: completed({}) }));
    await finishInstances(em, items, 'bench');
    refill.push(await timed(() => admit(em, { record: false })));
    recorded.push(await timed(() => admit(em, { record: true })));
  }
  const [counts] = await query<Pick<Cost, 'candidates' | 'needs' | 'keys'>>(
    em,
    `select count(*) filter (where not parked)::int4 as candidates, count(distinct need)::int4 as needs, count(distinct concurrency_key)::int4 as keys
     from tasks where status = 'queued'`,
  );
  const figures = { idle_ms: median(idle), refill_ms: median(refill), recorded_ms: median(recorded) };
  return { waiting, ...(counts as Pick<Cost, 'candidates' | 'needs' | 'keys'>), ...figures };
}

/** The statements that a pass reads tasks with: the first of each queue, and the head of each need where those are not enough. */
const PLANS: [string, unknown[]][] = [
  [FIRST_IN_LINE, [['q'], ['p'], [1.5], [1_000], 32]],
  [HEADS_OF_GROUPS, [['q']]],
];

async function planOf(em: Em, [sql, parameters]: [string, unknown[]]): Promise<string> {
  const rows = await queryOnce<Record<string, string>>(em, `explain (analyze, costs off, timing off, buffers off) ${sql}`, parameters);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

function show(costs: readonly Cost[], plans: readonly string[]): void {
  const round = (ms: number) => Math.round(ms * 100) / 100;
  for (const { idle_ms, refill_ms, recorded_ms, ...rest } of costs) {
    const row = { ...rest, idle_ms: round(idle_ms), refill_ms: round(refill_ms), recorded_ms: round(recorded_ms) };
    process.stdout.write(`${JSON.stringify(row)}\n`);
  }
  const [first, last] = [costs[0] as Cost, costs.at(-1) as Cost];
  const ratio = { idle: round(last.idle_ms / first.idle_ms), refill: round(last.refill_ms / first.refill_ms) };
  process.stdout.write(`${JSON.stringify({ ratio_of_largest_to_smallest: ratio })}\n${plans.join('\n\n')}\n`);
}

await runEntry(async () => {
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-passes-'));
  await chmod(data_dir, 0o711);
  const postgres = await startEmbeddedPostgres({ data_dir, host: '127.0.0.1', port: 0, settings: {}, report: say });
  const orm = await createOrm({ url: postgres.url, pool_max: 2 });
  try {
    await migrateUp(orm, { dumpTo: null });
    const em = orm.em.fork() as Em;
    const costs: Cost[] = [];
    for (const waiting of SIZES) {
      say(`${waiting} waiting tasks`);
      costs.push(await measure(em, waiting));
    }
    const plans: string[] = [];
    for (const plan of PLANS) plans.push(await planOf(em, plan));
    show(costs, plans);
  } finally {
    await orm.close(true);
    await postgres.stop();
    await rm(data_dir, { recursive: true, force: true });
  }
});
