import { search } from './model/run.ts';
import { RULES } from './model/world.ts';

const RUNS = 20_000;

describe('the admission core, driven by random events for long', () => {
  it(`keeps every promise after each step of ${RUNS} runs`, () => {
    const seed = Date.now() % 1_000_000;
    process.stdout.write(`model check: ${RUNS} runs, seed ${seed}\n`);
    expect(search(RULES, { runs: RUNS, seed })).toBeNull();
  }, 600_000);
});
