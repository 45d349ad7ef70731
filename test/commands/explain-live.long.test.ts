import { setTimeout as pause } from 'node:timers/promises';
import { admit } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import type { Gate } from '../../core/admission-state.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, makePool, makeQueue, makeTemplate, makeUser, makeWorker, submission, testEngines } from '../support/factories.ts';
import { type Random, randomFrom } from './chaos/random.ts';
import { Plant } from './live/plant.ts';

const MOMENTS = 25;
const EACH = 20;
const MINUTE_MS = 60_000;
/** Tasks that come, so many at the beginning and so many in each pause between two looks. */
const BACKLOG = 250;
const STREAM = 12;

type Kind = { name: string; queue: string; work_ms: number; options?: Partial<Parameters<typeof makeTemplate>[2]> };

const KINDS: Kind[] = [
  { name: 'short', queue: 'plain', work_ms: 150, options: { cpu: 0.5 } },
  { name: 'long', queue: 'plain', work_ms: 1_500, options: { cpu: 1 } },
  { name: 'large', queue: 'plain', work_ms: 600, options: { cpu: 3 } },
  { name: 'orderly', queue: 'strict', work_ms: 400, options: { cpu: 1.5 } },
  { name: 'shared', queue: 'fair', work_ms: 500, options: { cpu: 0.5 } },
  { name: 'keyed', queue: 'loose', work_ms: 700, options: { cpu: 0.25, concurrency: { key: 'n', limit: 1, on_limit: 'queue' } } },
  { name: 'rated', queue: 'loose', work_ms: 100, options: { cpu: 0.25, rate_limit: { key: 'n', limit: 1, per_s: 7, burst: 1 } } },
  { name: 'foreign', queue: 'loose', work_ms: 100, options: { engine: 'other' } },
];
const workOf = new Map(KINDS.map(({ name, work_ms }) => [name, work_ms]));

/** How often at most the same is asked, each time after a decision of its own. Nothing ends meanwhile, so the pool is soon full, and tokens that come start nothing more. */
const MOST_ASKED = 6;

/** What was said about a task: by explain, and by the admission's own row. `unseen`: its token has come since the last pass, which so knows nothing of it yet. */
type Said = { uuid: string; at: number; gates: string[]; own: string[]; unseen: boolean; estimate: number | null };

/**
 * The row that the admission wrote for the head of a task's queue and need, which stands for all of them, and what keeps this one from being a candidate itself. A
 * queue that is full is not searched, so there is no row, and nobody is marked as throttled: then that is why, or the bucket, which comes before. A task that is
 * marked lacks a token only until one comes. Of several tasks of its bucket the first pass after that lets through as many as there are tokens; the others keep the
 * mark, but wait for what these wait for. Before that pass nothing can be said. One that is not marked may lack a token as well: where the head of its need
 * was refused, no pass looks at its bucket, but explain tells that too.
 */
const OWN = `
select head.gates || case when x.empty and not t.throttled then '[{"gate": "rate_limit"}]'::jsonb else '[]' end as gates, case when t.parked then 'concurrency_key' when x.empty and (t.throttled or x.unsearched) then 'rate_limit'
  when x.unsearched then 'queue_capacity' end as own, t.throttled and not x.empty and b.ready_at <= x.now as unseen
from tasks t join queues q on q.name = t.queue left join rate_buckets b on b.name = t.rate_key
left join lateral (
  select d.gates from tasks h join admission_decisions d on d.task_id = h.uuid
  where h.queue = t.queue and h.need = t.need and h.status = 'queued' and not h.parked and not h.throttled order by h.vtime, h.uuid limit 1) head on true
cross join lateral (
  select clock_timestamp() as now, head.gates is null and q.current_load >= q.capacity as unsearched,
    coalesce(b.full_us - (b.burst - 1) * b.interval_us > extract(epoch from clock_timestamp()) * 1000000, false) as empty) x
where t.uuid = $1`;

type Own = { gates: Gate[] | null; own: string | null; unseen: boolean | null };

const agrees = ({ gates, own, unseen }: Said): boolean => !unseen && String(gates) === String(own);

const sorted = (gates: readonly string[]): string[] => [...new Set(gates)].sort();

describe('explain in a live system', () => {
  let db: TestDatabase;
  let users: CommandContext[];
  let asked_again = 0;
  beforeAll(async () => {
    db = await createTestDatabase();
    await makePool(db.em, 'p', { cpu: 10, memory_mb: 100_000 });
    for (const id of ['w1', 'w2']) await makeWorker(db.em, id, { cpu: 5, memory_mb: 50_000, engines: ['empty'] });
    await makeQueue(db.em, 'plain', { capacity: 12 });
    await makeQueue(db.em, 'strict', { capacity: 4 });
    await makeQueue(db.em, 'fair', { capacity: 4, fairness: 'user' });
    await makeQueue(db.em, 'loose', { capacity: 8 });
    await query(db.em, `update queues set policy = 'strict' where name = 'strict'`);
    await query(db.em, `update queues set policy = 'best_effort' where name = 'loose'`);
    await query(db.em, `update queues set reserve_after_s = 5`);
    for (const { name, queue, options } of KINDS) await makeTemplate(db.em, name, { queue, ...options });
    users = [];
    for (const name of ['ada', 'bob', 'eve']) users.push(contextOf(db.em, await makeUser(db.em, name)));
  });
  afterAll(() => db.drop());

  async function send(random: Random, count: number): Promise<void> {
    const items = Array.from({ length: count }, () => {
      const template = random.pick(KINDS)?.name ?? 'short';
      return submission({
        template,
        parameters: { text: template, n: random.between(1, 4) },
        priority: random.between(40, 60),
        timeout: 10,
      });
    });
    const ctx = random.pick(users) as CommandContext;
    await submitTasks({ ...ctx, em: ctx.em.fork() as Em }, { items, idempotency: null }, testEngines);
  }

  /** Lets admissions start what can start, and then decide once more and write down why nothing else does. */
  async function decide(plant: Plant): Promise<void> {
    for (let admitted = 1; admitted > 0; ) {
      await query(plant.em(), 'delete from admission_decisions');
      const instances = await admit(plant.em(), { record: true });
      for (const instance of instances) plant.begin(instance);
      admitted = instances.length;
    }
  }

  async function ask(em: Em, uuid: string): Promise<Said> {
    const operator = users[0] as CommandContext;
    const { gates, estimated_start } = await explainTask({ ...operator, em, actor: { ...operator.actor, role: 'admin' } }, uuid, 60);
    const [row] = await query<Own>(em, OWN, [uuid]);
    const names = gates.map(({ gate }) => gate);
    // A task that lacks something of its own is no candidate: that is what the admission says of it. The head of its need, whose row there may be, has another turn and other gates.
    const own = row?.own ? [row.own] : (row?.gates ?? []).map(({ gate }) => gate);
    const shown = row?.gates && !row.own ? names : names.slice(0, 1);
    return {
      uuid,
      at: Date.now(),
      gates: sorted(shown),
      own: sorted(own),
      unseen: row?.unseen ?? false,
      estimate: estimated_start === null ? null : Date.parse(estimated_start),
    };
  }

  /** Asks about tasks chosen by chance, with nothing happening between the decision and the question; but time goes on, so a token may come: then decides and asks anew. */
  async function look(plant: Plant, random: Random): Promise<Said[]> {
    await decide(plant);
    const waiting = await query<{ uuid: string }>(plant.em(), `select uuid from tasks where status = 'queued' order by uuid`);
    const said: Said[] = [];
    for (const { uuid } of Array.from({ length: EACH }, () => random.pick(waiting) as { uuid: string })) {
      let answer = await ask(plant.em(), uuid);
      for (let asked = 1; asked < MOST_ASKED && !agrees(answer); asked += 1) {
        asked_again += 1;
        await decide(plant);
        answer = await ask(plant.em(), uuid);
      }
      said.push(answer);
    }
    return said;
  }

  it(`says of ${MOMENTS * EACH} waiting tasks what the admission says, and about when they start`, async () => {
    const seed = Number(process.env.EXPLAIN_SEED) || Date.now() % 1_000_000;
    process.stdout.write(`explain: seed ${seed}\n`);
    const random = randomFrom(seed);
    for (const { name } of KINDS)
      await query(db.em, `insert into template_runtimes (template, p50_s, p90_s, samples) values ($1, $2, $2, 100)`, [
        name,
        (workOf.get(name) ?? 0) / 1000,
      ]);
    await send(random, BACKLOG);
    const plant = await Plant.open(db, { dispatchers: 3, work_ms: ({ text }) => workOf.get(String(text)) ?? 100 });
    const said: Said[] = [];
    try {
      for (let moment = 0; moment < MOMENTS; moment += 1) {
        await pause(random.between(200, 1_000));
        await plant.change(() => send(random, STREAM));
        plant.wake();
        await pause(100);
        said.push(...(await plant.still(() => look(plant, random))));
      }
      await pause(MINUTE_MS);
    } finally {
      await plant.close();
    }
    report(said, await startsOf(db.em as Em, said));
    process.stdout.write(`explain: asked again ${asked_again} times, as time had gone on\n`);
    expect(plant.faults).toEqual([]);
    expect(said.length).toBe(MOMENTS * EACH);
    expect(asked_again).toBeLessThan(said.length / 10);
    for (const { uuid, gates, own, unseen } of said)
      expect({ seed, uuid, gates, unseen }).toEqual({ seed, uuid, gates: own, unseen: false });
  }, 300_000);
});

async function startsOf(em: Em, said: readonly Said[]): Promise<Map<string, number>> {
  const rows = await query<{ uuid: string; at: number }>(
    em,
    'select task_id as uuid, min(extract(epoch from created_at))::float8 * 1000 as at from instances where task_id = any($1) group by task_id',
    [said.map(({ uuid }) => uuid)],
  );
  return new Map(rows.map(({ uuid, at }) => [uuid, at]));
}

function report(said: readonly Said[], starts: ReadonlyMap<string, number>): void {
  const close = said.filter(({ at, estimate }) => estimate !== null && estimate - at <= MINUTE_MS);
  const errors = close.flatMap(({ uuid, estimate }) =>
    starts.has(uuid) ? [Math.abs((starts.get(uuid) as number) - (estimate as number))] : [],
  );
  const ordered = errors.toSorted((a, b) => a - b);
  const at = (share: number) => ((ordered[Math.floor(share * (ordered.length - 1))] ?? NaN) / 1000).toFixed(2);
  const gates = Map.groupBy(
    said.flatMap((each) => each.gates),
    (gate) => gate,
  );
  process.stdout.write(`explain: gates ${[...gates].map(([gate, all]) => `${gate} ${all.length}`).join(', ')}\n`);
  process.stdout.write(
    `explain: ${said.length} tasks, ${close.length} to start within a minute, ${errors.length} of them did; error of the estimate: median ${at(0.5)} s, 90 % within ${at(0.9)} s\n`,
  );
}
