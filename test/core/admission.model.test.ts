import fc from 'fast-check';
import { events } from './model/events.ts';
import { play, search } from './model/run.ts';
import { RULES } from './model/world.ts';

describe('the admission core, driven by random events', () => {
  it('keeps every promise after each step', () => {
    expect(search(RULES, { runs: 1_500, seed: Date.now() % 1_000_000 })).toBeNull();
  });

  it('is driven to where promises matter', () => {
    const seen = { started: 0, kept: 0, parked: 0 };
    for (const list of fc.sample(events, { numRuns: 300, seed: 11 })) {
      const world = play(RULES, list);
      seen.started += world.instances.length;
      seen.kept += world.promises.size;
      seen.parked += [...world.tasks.values()].filter((task) => task.parked).length;
    }
    expect(seen.started).toBeGreaterThan(500);
    expect(seen.kept).toBeGreaterThan(5);
    expect(seen.parked).toBeGreaterThan(10);
  });
});
