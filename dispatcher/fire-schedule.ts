import { setTimeout as pause } from 'node:timers/promises';
import { fireDue } from '../commands/fire-occurrence.ts';
import type { FireSchedule } from '../core/workflow-contract.ts';
import type { DispatcherDeps } from './deps.ts';

/** Temporal's clock may be ahead of the database's by so much. */
const EARLY_MS = 2_000;

/** The activity of `cronFire`. Comes it too early by the database's clock, it waits for the moment. */
export function createFireSchedule({ fork, engines }: Pick<DispatcherDeps, 'fork' | 'engines'>, poke: () => void): FireSchedule {
  const fire = (id: string) => fireDue(fork(), { id }, engines);
  return async ({ schedule_id }) => {
    let fired = await fire(schedule_id);
    let submitted = fired?.submitted ?? 0;
    const early = fired?.due_in_ms ?? 0;
    if (submitted === 0 && early > 0 && early <= EARLY_MS) {
      await pause(early + 1);
      fired = await fire(schedule_id);
      submitted += fired?.submitted ?? 0;
    }
    if (submitted > 0) poke();
    return { submitted };
  };
}
