import fc from 'fast-check';
import { type Event, events, step } from './events.ts';
import { checkWorld } from './promises.ts';
import { newWorld, type Rules, type World } from './world.ts';

/** Plays events on a new world, and stops at the first promise that is broken. */
export function play(rules: Rules, list: readonly Event[]): World {
  const world = newWorld(rules);
  for (const event of list) {
    step(world, event);
    checkWorld(world);
    if (world.findings.length > 0) return world;
  }
  return world;
}

/** Plays many random lists of events. @returns the first finding, with the events that lead to it; null: none in all runs */
export function search(rules: Rules, { runs, seed }: { runs: number; seed: number }): string | null {
  let finding: string | null = null;
  const found = fc.check(
    fc.property(events, (list) => {
      const [broken] = play(rules, list).findings;
      finding = broken ?? finding;
      return broken === undefined;
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
  return found.failed ? `${finding} by ${JSON.stringify(found.counterexample)}` : null;
}
