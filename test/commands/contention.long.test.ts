import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { CommandContext } from '../../commands/context.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  heldAmounts,
  makePool,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorker,
  NOTHING_HELD,
  submission,
  testEngines,
} from '../support/factories.ts';
import { testServers } from '../support/test-servers.ts';
import { randomFrom } from './chaos/random.ts';
import { deadlocks, Plant } from './live/plant.ts';

const TASKS = 5_000;
const CAPACITY = 7;
const CORES = 10;
const SIZES = [0.5, 1, 1.5, 2, 2.5];
const SAMPLE_EVERY_MS = 50;
/** Milliseconds that an instance works. */
const WORK = { least: 100, most: 300 };
const AIM = 0.9;

type Sample = { load: number; cpu: number; waiting: number };

const SAMPLE = `
select q.current_load as load, p.used_cpu::float8 as cpu, (select count(*)::int4 from tasks where status = 'queued') as waiting
from queues q join pools p on p.name = q.pool where q.name = 'q'`;

/** Work is scarce at the end; before that nothing excuses idle cores. */
const ENOUGH = 50;

describe('four dispatchers, 7 places and 10 cores', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
    await makePool(db.em, 'p', { cpu: CORES, memory_mb: 100_000 });
    await makeQueue(db.em, 'q', { capacity: CAPACITY });
    for (const id of ['w1', 'w2']) await makeWorker(db.em, id, { cpu: CORES / 2, memory_mb: 50_000 });
    for (const cpu of SIZES) await makeTemplate(db.em, `t${cpu}`, { cpu });
  });
  afterAll(() => db.drop());

  async function submitAll(seed: number): Promise<void> {
    const random = randomFrom(seed);
    const contexts: CommandContext[] = [];
    for (const name of ['ada', 'bob', 'eve']) contexts.push(contextOf(db.em, await makeUser(db.em, name)));
    for (let n = 0; n < TASKS; n += 500) {
      const items = Array.from({ length: 500 }, () =>
        submission({
          template: `t${random.pick(SIZES)}`,
          parameters: { n: random.between(WORK.least, WORK.most) },
          priority: random.between(0, 100),
          timeout: 5,
        }),
      );
      await submitTasks(random.pick(contexts) as CommandContext, { items, idempotency: null }, testEngines);
    }
  }

  async function sampleUntilDone(em: Em): Promise<Sample[]> {
    const samples: Sample[] = [];
    for (;;) {
      const [sample] = await query<Sample>(em, SAMPLE);
      samples.push(sample as Sample);
      if (sample?.waiting === 0 && sample.load === 0) return samples;
      await pause(SAMPLE_EVERY_MS);
    }
  }

  it(`run ${TASKS} mixed tasks within every limit, without a deadlock, and leave nothing idle`, async () => {
    const seed = Date.now() % 1_000_000;
    await submitAll(seed);
    const began = performance.now();
    const plant = await Plant.open(db, { dispatchers: 4, work_ms: ({ n }) => Number(n) });
    const samples = await sampleUntilDone(db.em as Em).finally(() => plant.close());
    const seconds = (performance.now() - began) / 1000;
    const full = samples.filter(({ waiting }) => waiting >= ENOUGH);
    const mean = (value: (sample: Sample) => number) => full.reduce((sum, sample) => sum + value(sample), 0) / full.length;
    const cores = mean(({ cpu }) => cpu / CORES);
    const places = mean(({ load }) => load / CAPACITY);
    const used = mean(({ cpu, load }) => Math.max(cpu / CORES, load / CAPACITY));
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
    const log = await readFile(path.join(testServers().data_dir, 'logs', 'postgres.log'), 'utf8');
    process.stdout.write(
      `contention: seed ${seed}, ${TASKS} tasks in ${seconds.toFixed(0)} s, ${samples.length} samples; used of cores ${percent(cores)}, of places ${percent(places)}, of what was scarce ${percent(used)}\n`,
    );
    expect(plant.faults).toEqual([]);
    expect(Math.max(...samples.map(({ load }) => load))).toBe(CAPACITY);
    expect(Math.max(...samples.map(({ cpu }) => cpu))).toBeLessThanOrEqual(CORES);
    expect((await checkInvariants(db.em as Em)).filter(({ violations }) => violations.length > 0)).toEqual([]);
    expect(await query(db.em, 'select status, count(*)::int4 as n from tasks group by status')).toEqual([
      { status: 'completed', n: TASKS },
    ]);
    expect(await heldAmounts(db.em as Em)).toEqual(NOTHING_HELD);
    expect(await deadlocks(db.em as Em)).toBe(0);
    expect(log).not.toContain('deadlock detected');
    expect(used).toBeGreaterThanOrEqual(AIM);
  }, 900_000);
});
