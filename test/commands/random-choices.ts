import { type Choice, type Choosing, chooseTasks } from '../../commands/choose-tasks.ts';
import type { Reach } from '../../commands/fitting-behind.ts';
import { loadRoom } from '../../commands/snapshot.ts';
import { type Em, query } from '../../entities/sql.ts';
import { makePool, makeQueue, makeTemplate, makeUser, makeWorker } from '../support/factories.ts';
import { rewriting } from '../support/statements.ts';
import { type Random, randomFrom } from './chaos/random.ts';

const QUEUES = ['a', 'b', 'c', 'd'];

/** Tasks of many needs that wait in four queues of two pools, some of which run already; all by chance. */
const FILL = `
insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, timeout, retry_policy, throttled)
select 'n', 't', v.id, s.engine, 'queued', s.queue, u.id, s.cpu, s.memory, s.engine || '|' || s.cpu || '|' || s.memory, now() - s.age * interval '1 s',
  now() - s.waited * interval '1 s', s.timeout, v.retry_policy, s.throttled
from unnest($1::text[], $2::text[], $3::numeric[], $4::int4[], $5::float8[], $6::float8[], $7::int4[], $8::bool[])
    as s(queue, engine, cpu, memory, age, waited, timeout, throttled), template_versions v, users u`;

const RUN = `
with t as (
  insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, attempt, retry_policy)
  select 'n', 't', v.id, 'empty', 'processing', s.queue, u.id, s.cpu, 100, '', now(), now(), 1, v.retry_policy
  from unnest($1::text[], $2::numeric[]) as s(queue, cpu), template_versions v, users u returning *),
i as (
  insert into instances (runid, task_id, attempt, workflow_id, worker, cpu, memory_mb, timeout, start_time)
  select uuid, uuid, 1, uuid::text, w.id, t.cpu, 100, 10 + (extract(microsecond from clock_timestamp())::int4 % 200), now()
  from t join queues q on q.name = t.queue, lateral (select id from workers where pool = q.pool order by id limit 1) w returning *)
insert into grants (runid, queue, pool, worker, cpu, memory_mb)
select i.runid, t.queue, q.pool, i.worker, i.cpu, i.memory_mb from i join t on t.uuid = i.task_id join queues q on q.name = t.queue`;

const COUNT = `
with q as (update queues set current_load = (select count(*) from grants where queue = queues.name)),
p as (update pools set used_cpu = (select coalesce(sum(cpu), 0) from grants where pool = pools.name), used_memory = (select coalesce(sum(memory_mb), 0) from grants where pool = pools.name))
update workers set used_cpu = (select coalesce(sum(cpu), 0) from grants where worker = workers.id), used_memory = (select coalesce(sum(memory_mb), 0) from grants where worker = workers.id)`;

async function makeRoom(em: Em, random: Random): Promise<void> {
  for (const pool of ['p', 'r']) {
    await makePool(em, pool, { cpu: random.between(3, 8), memory_mb: 4_000 });
    for (const [n, engines] of [['empty', 'other'], ['empty']].entries())
      await makeWorker(em, `${pool}${n}`, { pool, cpu: random.between(2, 5), memory_mb: 2_500, engines });
  }
  const policies = random.chance(0.5) ? ['backfill', 'backfill', 'strict', 'best_effort'] : ['backfill', 'best_effort'];
  for (const name of QUEUES) {
    const priority = random.pick([50, 50, 60]) ?? 50;
    await makeQueue(em, name, { pool: name === 'd' ? 'r' : 'p', capacity: random.between(4, 8), priority });
    await query(em, `update queues set policy = $2, reserve_after_s = $3, strict_priority = $4 where name = $1`, [
      name,
      random.pick(policies),
      random.pick([0, 60, 600]),
      random.chance(0.1),
    ]);
  }
}

async function makeTasks(em: Em, random: Random): Promise<void> {
  const running = Array.from({ length: random.between(0, 4) }, () => random.pick(QUEUES));
  await query(em, RUN, [running, running.map(() => random.pick([0.25, 0.5]))]);
  await query(em, COUNT);
  const tasks = Array.from({ length: random.between(0, 80) }, () => random.pick(QUEUES));
  const column = <T>(value: () => T): T[] => tasks.map(value);
  const largest = random.pick([1, 4, 9]) ?? 1;
  await query(em, FILL, [
    tasks,
    column(() => random.pick(['empty', 'empty', 'empty', 'other', 'gone'])),
    column(() => random.between(1, largest * 4) / 4),
    column(() => random.pick([100, 100, 2_000, 3_000])),
    column(() => random.between(0, 300)),
    column(() => random.between(0, 300)),
    column(() => random.pick([5, 100, 3_600])),
    column(() => random.chance(0.1)),
  ]);
}

async function makeRandomWorld(em: Em, random: Random): Promise<void> {
  await makeRoom(em, random);
  await makeTemplate(em, 't', { queue: 'a' });
  await makeUser(em);
  await makeTasks(em, random);
}

/** `by`: what had to be read for it, at last. */
export type Answer = { choice: Choice; starts: string[]; by: 'line' | 'fitting' | 'groups' };

export async function answerOf(em: Em, options: Partial<Choosing> & { limit: number }): Promise<Answer> {
  let by: Answer['by'] = 'line';
  const noting = rewriting(em, (sql) => {
    if (sql.includes('with recursive line')) by = 'groups';
    else if (sql.includes('old_before')) by = 'fitting';
    return sql;
  });
  const room = await loadRoom(noting, QUEUES, { lock: false, lost_after_s: 60 });
  const choice = await chooseTasks(noting, room, { queues: QUEUES, lock: false, ...options });
  return { choice, starts: choice.decisions.admissions.map(({ uuid, worker }) => `${uuid} ${worker}`).sort(), by };
}

/** What a round was, and both answers: by the first tasks of each queue, and by all groups. */
export type Compared = { round: number; depths: number[]; reach: Reach; limit: number; simple: Answer; whole: Answer };

class Undo extends Error {}

/** Makes worlds by chance, one after the other in an empty database, and asks both ways about each; nothing stays. */
export async function compareChoices(
  em: Em,
  { seed, rounds }: { seed: number; rounds: number },
  each: (compared: Compared) => void,
): Promise<void> {
  const random = randomFrom(seed);
  for (let round = 0; round < rounds; round += 1) {
    const limit = random.pick([1, 3, 200]) ?? 200;
    const depths = random.pick([[2], [2, 5], [7, 9]]) as number[];
    const reach = { most: random.pick([1, 2, 5]) ?? 2, walk: random.pick([4, 16, 64]) ?? 16 };
    const work = async (tx: Em) => {
      await makeRandomWorld(tx, random);
      const whole = await answerOf(tx, { whole: true, limit });
      each({ round, depths, reach, limit, whole, simple: await answerOf(tx, { depths, reach, limit }) });
      throw new Undo();
    };
    await em
      .transactional((tx) => work(tx as Em))
      .catch((error: unknown) => {
        if (!(error instanceof Undo)) throw error;
      });
  }
}
