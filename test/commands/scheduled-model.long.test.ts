import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { runScheduled } from './scheduled/run-scheduled.ts';

const RUNS = 200;
const COMMANDS = 60;

/** Seeds that failed once; they are run first, for ever. */
const REGRESSIONS = fileURLToPath(new URL('./scheduled/regressions.json', import.meta.url));

const given = Number(process.env.SCHEDULED_SEED);

describe('commands of several dispatchers, clients and workers, statement by statement', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  const known = async (): Promise<number[]> => JSON.parse(await readFile(REGRESSIONS, 'utf8'));

  async function remember(seed: number): Promise<void> {
    const seeds = await known();
    if (!seeds.includes(seed)) await writeFile(REGRESSIONS, `${JSON.stringify([...seeds, seed])}\n`);
  }

  async function runOne(seed: number): Promise<Record<string, number>> {
    const { findings, trace, tally } = await runScheduled(db, { seed, commands: COMMANDS });
    if (findings.length > 0) await remember(seed);
    const last = findings.length > 0 ? trace.slice(-60) : [];
    expect({ seed, findings, last }).toEqual({ seed, findings: [], last: [] });
    return tally;
  }

  /** Adds up what happened. */
  async function runAll(seeds: readonly number[]): Promise<Map<string, number>> {
    const sum = new Map<string, number>();
    for (const seed of seeds) {
      for (const [what, n] of Object.entries(await runOne(seed))) sum.set(what, (sum.get(what) ?? 0) + n);
    }
    return sum;
  }

  it(`keep every promise after each command in ${RUNS} runs`, async () => {
    const base = randomInt(1, 1_000_000_000);
    const seeds = given ? [given] : [...(await known()), ...Array.from({ length: RUNS }, (_, n) => base + n)];
    process.stdout.write(`scheduled model: ${seeds.length} runs of ${COMMANDS} commands, seeds from ${seeds[0]} to ${seeds.at(-1)}\n`);
    const tally = await runAll(seeds);
    process.stdout.write(`scheduled model: ${JSON.stringify(Object.fromEntries(tally))}\n`);
    const least = given ? 0 : RUNS / 4;
    for (const what of EXPECTED) expect({ what, often: (tally.get(what) ?? 0) >= least }).toEqual({ what, often: true });
  }, 1_800_000);
});

/** What must have happened often, or the runs prove little. */
const EXPECTED = [
  'submitted',
  'admitted',
  'claimed',
  'claim refused',
  'finished',
  'finish refused',
  'cancelled',
  'retried',
  'operated',
  'controlled',
  'killed',
  'chained',
];
