import { setTimeout as sleep } from 'node:timers/promises';
import { calibrate } from './calibrate.ts';
import { type CpuByRole, type Roles, readUsage, usageBetween } from './process-usage.ts';

/**
 * One stretch of measured work. `calibration_ms`: the loop before and after. `foreign_cores`: what processes outside this benchmark used.
 * `value`: what the work itself measured.
 */
export type Block<T> = { calibration_ms: [number, number]; foreign_cores: number; seconds: number; cpu: CpuByRole; value: T };

/** Lets what an earlier block left behind (checkpoints, garbage, closing polls) pass before the next is measured. */
const PAUSE_MS = 200;

/** Measures one block: CPU of every process, and how quiet the machine was around it. */
export async function measureBlock<T>(roles: Roles, work: () => Promise<T>): Promise<Block<T>> {
  await sleep(PAUSE_MS);
  const before_ms = calibrate();
  const before = readUsage(roles);
  const value = await work();
  const used = usageBetween(before, readUsage(roles));
  return { calibration_ms: [before_ms, calibrate()], ...used, value };
}
