import { type AdmitOptions, admit } from '../../commands/admit.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import { changeQueue } from '../../commands/change-queue.ts';
import type { CommandContext } from '../../commands/context.ts';
import { dryRun } from '../../commands/dry-run.ts';
import { explainTask } from '../../commands/explain-task.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { holdTask, releaseTask } from '../../commands/hold-task.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import type { RateLimit } from '../../core/token-bucket.ts';
import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  countOf,
  emptyDatabase,
  makeQueue,
  makeTemplate,
  makeWorld,
  outcome,
  submission,
  submit,
  submitOne,
  testEngines,
} from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

const HOUR_S = 3_600;

describe('a rate limit', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(() => emptyDatabase(db.em));
  afterEach(async () => {
    expect((await checkInvariants(db.em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
  });

  const perHour = (limit: number, change: Partial<RateLimit> = {}): RateLimit => ({
    key: null,
    limit,
    per_s: HOUR_S,
    burst: limit,
    ...change,
  });
  const world = async (rate_limit: RateLimit, options: Parameters<typeof makeWorld>[1] = {}) => {
    ctx = await makeWorld(db.em, { ...options, template: { rate_limit, ...options.template } });
  };
  const of = (text: string, count = 1) => submit(ctx, { parameters: { text } }, count);
  const started = async (options: AdmitOptions = {}) => (await admit(db.em, options)).map((i) => i.task_id);
  const throttled = () => countOf(db.em, `tasks where throttled and status = 'queued'`);
  const gatesOf = async (uuid: string) => (await explainTask(ctx, uuid, 60)).gates;
  /** As if so much time had passed for every bucket. */
  const pass = (s: number) =>
    query(
      db.em,
      `update rate_buckets set full_us = full_us - $1::int8 * 1000000, taken_us = taken_us - $1::int8 * 1000000, shaped_us = 9e15::int8,
         ready_at = ready_at - make_interval(secs => $1::int8)`,
      [s],
    );

  it('lets its burst start at once, and then one for each interval', async () => {
    await world(perHour(3));
    const tasks = await of('a', 5);
    expect(await started()).toHaveLength(3);
    expect(await started()).toEqual([]);
    await pass(HOUR_S / 3 + 1);
    expect(await started()).toEqual([tasks[3]?.uuid]);
    await pass(HOUR_S * 9);
    expect(await started()).toEqual([tasks[4]?.uuid]);
  });

  it('of a template without a key counts all its tasks, with one those of each value', async () => {
    await world(perHour(1));
    await of('a', 2);
    await of('b', 2);
    expect(await started()).toHaveLength(1);
    await makeTemplate(db.em, 'keyed', { rate_limit: perHour(1, { key: 'text' }) });
    for (const text of ['a', 'b']) await submit(ctx, { template: 'keyed', parameters: { text } }, 2);
    const free = await submit(ctx, { template: 'keyed' }, 2);
    const second = await started();
    expect(second).toHaveLength(4);
    expect(second).toEqual(expect.arrayContaining(free.map(({ uuid }) => uuid)));
  });

  it('of a queue counts all its tasks of whatever template, and closes its gate', async () => {
    await world(perHour(100), { queue: { rate_limit: { limit: 2, per_s: HOUR_S, burst: 2 } } });
    await makeTemplate(db.em, 'other', {});
    await of('a', 2);
    const [late] = await submit(ctx, { template: 'other' }, 2);
    expect(await started()).toHaveLength(2);
    const [gate] = await gatesOf(late?.uuid ?? '');
    expect(gate).toMatchObject({ gate: 'rate_limit', subject: 'rate limit queue:q', have: 0, need: 1 });
    await pass(HOUR_S / 2);
    expect(await started()).toEqual([late?.uuid]);
  });

  it('is told by explain and by a dry run, with the moment of the next token', async () => {
    await world(perHour(1));
    const [, second, third] = await of('a', 3);
    await started();
    const explained = await explainTask(ctx, third?.uuid ?? '', 60);
    expect(explained.gates).toMatchObject([{ gate: 'rate_limit', subject: 'rate limit template:t', have: 0, need: 1, holders: [] }]);
    const minutes = (at: string | null) => Math.round((Date.parse(at ?? '') - Date.now()) / 60_000);
    expect(minutes(explained.gates[0]?.clears_at ?? null)).toBe(60);
    expect(minutes(explained.estimated_start)).toBe(120);
    expect(minutes((await explainTask(ctx, second?.uuid ?? '', 60)).estimated_start)).toBe(60);
    const [prospect] = await dryRun(ctx, [submission({})], { engines: testEngines, lost_after_s: 60 });
    expect(prospect).toMatchObject({ starts_now: false, gates: [{ gate: 'rate_limit' }] });
    expect(minutes(prospect?.estimated_start ?? null)).toBe(180);
    expect((await explainTask(ctx, second?.uuid ?? '', 60)).decision?.gates).toMatchObject([{ gate: 'rate_limit' }]);
  });

  it('tells the dispatcher when the next token comes, and only while tasks wait for one', async () => {
    await world(perHour(2));
    const times: number[] = [];
    const on_token = (ms: number) => times.push(ms);
    await of('a', 2);
    await started({ on_token });
    expect(times).toEqual([]);
    await of('a', 1);
    await started({ on_token });
    expect(Math.round(Math.min(...times) / 60_000)).toBe(30);
    times.length = 0;
    await started({ on_token });
    expect(Math.round(Math.min(...times) / 60_000)).toBe(30);
  });

  it('hides nothing: what lacks a token lets others of its need pass, and costs the next passes nothing', async () => {
    await world(perHour(1, { key: 'text' }));
    await of('a', 1_000);
    await of('b', 1);
    const free = await submitOne(ctx);
    expect(await started()).toHaveLength(3);
    expect(await countOf(db.em, `tasks where uuid = $1 and status = 'processing'`, [free.uuid])).toBe(1);
    expect(await throttled()).toBe(999);
    const idle = await statementsOf(db, (em) => admit(em));
    expect(idle.result).toEqual([]);
    expect(idle.rows).toBeLessThan(30);
    const late = await submitOne(ctx, { priority: 0 });
    const found = await statementsOf(db, (em) => admit(em));
    expect(found.result.map((i) => i.task_id)).toEqual([late.uuid]);
    expect(found.rows).toBeLessThan(100);
  });

  it('gives a token to the most urgent, also to one that came while others waited for it', async () => {
    await world(perHour(1));
    const [, second] = await of('a', 3);
    await started();
    const [urgent] = await submit(ctx, { parameters: { text: 'a' }, priority: 100 });
    await started();
    await pass(HOUR_S);
    expect(await started()).toEqual([urgent?.uuid]);
    await pass(HOUR_S);
    expect(await started()).toEqual([second?.uuid]);
  });

  it('is not forgotten for tasks that are held, released, moved, cancelled or retried while they wait for a token', async () => {
    await world(perHour(1));
    await makeQueue(db.em, 'q2');
    const [first, held, cancelled, moved] = await of('a', 4);
    await started();
    await holdTask(ctx, held?.uuid ?? '');
    await cancelTask(ctx, cancelled?.uuid ?? '', null);
    await query(db.em, `update tasks set queue = 'q2' where uuid = $1`, [moved?.uuid]);
    await pass(HOUR_S);
    expect(await started()).toEqual([moved?.uuid]);
    await releaseTask(ctx, held?.uuid ?? '');
    expect(await started()).toEqual([]);
    const live = await query<{ runid: string }>(db.em, `select runid from instances where task_id = $1`, [first?.uuid]);
    await finishInstances(db.em, [{ runid: live[0]?.runid ?? '', lease_epoch: null, outcome: outcome('lost') }], 'reconciler');
    await pass(HOUR_S);
    expect(await started()).toEqual([first?.uuid]);
    await pass(HOUR_S);
    expect(await started()).toEqual([held?.uuid]);
  });

  it('goes on with others when those that were to get its tokens are cancelled before there is room for them', async () => {
    await world(perHour(1), { queue: { capacity: 1 } });
    await of('a', 1);
    await started();
    await query(db.em, `update queues set capacity = 1`);
    const [next, after] = await of('a', 2);
    await query(db.em, `update queues set capacity = 2`);
    await started();
    await query(db.em, `update queues set capacity = 1`);
    await pass(HOUR_S);
    expect(await started()).toEqual([]);
    expect(await throttled()).toBe(1);
    await cancelTask(ctx, next?.uuid ?? '', null);
    await pass(10);
    await query(db.em, `update queues set capacity = 2`);
    expect(await started()).toEqual([after?.uuid]);
  });

  it('is changed by a new version for all tasks, and by a queue at once', async () => {
    await world(perHour(1), { queue: { rate_limit: { limit: 1, per_s: HOUR_S, burst: 1 } } });
    await of('a', 3);
    expect(await started()).toHaveLength(1);
    await changeQueue(ctx, 'q', { rate_limit: null });
    await query(
      db.em,
      `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, rate_limit)
       select template, 2, schema, parameters, queue, cpu, memory_mb, retry_policy, $1::jsonb from template_versions`,
      [JSON.stringify(perHour(HOUR_S, { burst: 2 }))],
    );
    await query(db.em, `update templates set current_version = 2`);
    await of('b', 1);
    await started();
    expect(await query(db.em, `select burst, interval_us::int4 as interval_us from rate_buckets where name = 'template:t'`)).toEqual([
      { burst: 2, interval_us: 1_000_000 },
    ]);
    await pass(2);
    expect(await started()).toHaveLength(2);
  });

  it('holds with several dispatchers at once, and is used up by them', async () => {
    await world(perHour(5, { key: 'text' }), { template: { cpu: 0.01 } });
    for (const n of [1, 2, 3]) {
      await makeQueue(db.em, `q${n}`);
      for (const text of ['a', 'b', 'c']) await submit(ctx, { queue: `q${n}`, parameters: { text } }, 10);
    }
    const orm = await createOrm({ url: db.url, pool_max: 8 });
    try {
      for (let round = 0; round < 8; round += 1)
        await Promise.all(Array.from({ length: 4 }, () => admit(orm.em.fork() as Em, { limit: 3 })));
    } finally {
      await orm.close(true);
    }
    const counts = await query(db.em, `select rate_key, count(*)::int4 as n from tasks where status = 'processing' group by 1 order by 1`);
    expect(counts).toEqual(['a', 'b', 'c'].map((text) => ({ rate_key: `template:t/text="${text}"`, n: 5 })));
  });
});
