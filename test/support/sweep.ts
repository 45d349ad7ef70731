import { setTimeout as pause } from 'node:timers/promises';
import { sweepClocks as sweep } from '../../commands/sweep-slas.ts';
import type { Em } from '../../entities/sql.ts';

/** Sweeps what is due by now: times are stored in milliseconds, so what has just happened may lie half of one ahead. */
export async function sweepClocks(em: Em): ReturnType<typeof sweep> {
  await pause(2);
  return await sweep(em);
}
