import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from './now.ts';

/**
 * How a queue is kept busy: `clients` loops submit, `size` jobs at a time, as long as no more than `ahead` of them wait. Done is what `completed` counts, from some time after
 * the beginning on.
 */
export type SteadyLoad = { seconds: number; clients: number; size: number; ahead: number; submit(): Promise<unknown>; completed(): number };

/** Completed jobs a second while jobs were being submitted all along. `done`: all of them, those of the warm-up and the rest included. */
export type SteadyRate = { rate: number; done: number };

/** Before anything is counted: polls find their pace, statements are prepared, the line fills. */
export const WARM_UP_S = 2;

export async function steadyRate({ seconds, clients, size, ahead, submit, completed }: SteadyLoad): Promise<SteadyRate> {
  const before = completed();
  let submitted = 0;
  let over = false;
  const client = async () => {
    while (!over) {
      if (submitted - (completed() - before) >= ahead) await sleep(2);
      else {
        submitted += size;
        await submit();
      }
    }
  };
  const clients_done = Promise.all(Array.from({ length: clients }, client));
  await sleep(WARM_UP_S * 1000);
  const [count, since] = [completed(), nowMs()];
  await sleep(seconds * 1000);
  const rate = ((completed() - count) / (nowMs() - since)) * 1000;
  over = true;
  await clients_done;
  while (completed() - before < submitted) await sleep(20);
  return { rate, done: submitted };
}

/** How a plain job queue is loaded. `one`: each job submitted by itself, 32 at a time; `bulk`: 500 by one call, worked off as fast as the queue can. */
export type Mode = 'one' | 'bulk';
export type PeerRun = { mode: Mode; seconds: number };
export const LOAD = { one: { clients: 32, size: 1, ahead: 1_000 }, bulk: { clients: 2, size: 500, ahead: 5_000 } } as const;

/** What every job carries, and what is stored as its result: some 200 bytes. */
export const PAYLOAD = 'x'.repeat(180);
