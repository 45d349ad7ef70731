import { performance } from 'node:perf_hooks';
import { median } from './percentiles.ts';

const ROUNDS = 15_000_000;
const REPEATS = 3;

/** A fixed amount of integer work that no optimiser can drop; the result depends on every round. */
function spin(rounds: number): number {
  let state = 1;
  for (let n = 0; n < rounds; n += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state;
}

function timeOnce(): number {
  const since = performance.now();
  const state = spin(ROUNDS);
  const elapsed = performance.now() - since;
  return state === 0 ? Number.NaN : elapsed;
}

/** How fast the machine is right now: milliseconds that the same loop takes, the middle one of three. Compare with another call only. */
export function calibrate(): number {
  return median(Array.from({ length: REPEATS }, timeOnce));
}
