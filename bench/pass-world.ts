import pg from 'pg';
import { admit } from '../commands/admit.ts';
import { createOrm, type MikroORM } from '../entities/orm.ts';
import { type Em, query } from '../entities/sql.ts';
import { migrateUp } from '../platform/migrations.ts';

/**
 * What waits. `alike`: tasks that need the same and have no key; `mixed`: of 1,000 different needs in no order, every other one with one of 10,000 keys;
 * `sorted`: the same, but needs go up along the line, so that what fits may be a thousand tasks behind its head.
 */
export const KINDS = ['alike', 'mixed', 'sorted'] as const;
export type Kind = (typeof KINDS)[number];

/** A database of its own with so many waiting tasks. `candidates`: those that are not parked behind their key. */
export type PassWorld = { kind: Kind; waiting: number; candidates: number; needs: number; keys: number; orm: MikroORM };

const KEYS = 10_000;
const NEEDS = 1_000;

/** A pool of 20 cores that is always full, one queue, and a template with a concurrency key. */
const WORLD = [
  `insert into pools (name, total_cpu, total_memory) values ('p', 20, 100000)`,
  `insert into queues (name, pool, capacity) values ('q', 'p', 1000)`,
  `insert into workers (id, pool, hostname, pid, boot_id, total_cpu, total_memory, engines)
   values ('w', 'p', 'host', 1, gen_random_uuid(), 20, 100000, '{empty}')`,
  `insert into users (username, quota) values ('bench', null)`,
  `insert into templates (name, engine) values ('t', 'empty')`,
  `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, concurrency)
   values ('t', 1, '{}', '{}', 'q', 1, 1, '{"max_attempts": 1}', '{"key": "k", "limit": 1, "on_limit": "queue"}')`,
];

/** Needs from 1 to 2 cores; of the tasks with one key all but one are parked. */
const FILL = `
insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy, concurrency_key)
select 'n', 't', v.id, 'empty', 'queued', 'q', u.id, 1 + need / 1000.0, 1, 'empty|' || need, now() + n * interval '1 ms', now(), v.retry_policy,
  case when $2 <> 'alike' and n % 2 = 0 then 'key ' || n / 2 % ${KEYS} end
from generate_series($3::int, $4::int) n, lateral (
  select case $2 when 'alike' then 0 when 'mixed' then n % $1::int * 617 % ${NEEDS} else n % $1::int % ${NEEDS} end as need) d, template_versions v, users u`;

const COUNTS = `
select count(*) filter (where not parked)::int4 as candidates, count(distinct need)::int4 as needs, count(distinct concurrency_key)::int4 as keys
from tasks where status = 'queued'`;

async function createDatabase(server_url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: server_url });
  await client.connect();
  await client.query(`create database ${name}`).finally(() => client.end());
  const url = new URL(server_url);
  url.pathname = `/${name}`;
  return url.href;
}

/** Makes a database beside the one of the server's address, lets the pool fill up, and settles what there is to settle once. */
export async function makePassWorld(server_url: string, { kind, waiting }: { kind: Kind; waiting: number }): Promise<PassWorld> {
  const url = await createDatabase(server_url, `passes_${kind}_${waiting}`);
  const orm = await createOrm({ url, pool_max: 2 });
  try {
    await migrateUp(orm, { dumpTo: null });
    const em = orm.em.fork() as Em;
    for (const statement of WORLD) await query(em, statement);
    await query(em, FILL, [waiting, kind, 1, waiting]);
    for (let dirty = 1; dirty > 0; ) {
      await admit(em);
      dirty = (await query<{ n: number }>(em, 'select count(*)::int4 as n from concurrency_keys where dirty'))[0]?.n ?? 0;
    }
    await query(em, 'vacuum (analyze) tasks, concurrency_keys, grants, instances, queues, pools, workers');
    const [counts] = await query<Pick<PassWorld, 'candidates' | 'needs' | 'keys'>>(em, COUNTS);
    return { kind, waiting, ...(counts as Pick<PassWorld, 'candidates' | 'needs' | 'keys'>), orm };
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}

/** Another task in place of one that started, the `n`-th such: one without a key, at the end of the line. */
export async function refill({ orm, kind, waiting }: PassWorld, n: number): Promise<void> {
  const next = waiting + 2 * n + 1;
  await query(orm.em.fork() as Em, FILL, [waiting, kind, next, next]);
}
