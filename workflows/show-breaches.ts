import { defineSignal, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { SLA_BREACHED_SIGNAL } from '../core/workflow-contract.ts';

const slaBreached = defineSignal<[string[]]>(SLA_BREACHED_SIGNAL);

/** Lets breaches of SLAs by the work of this workflow be found in Temporal: the names of all that were told are its search attribute. */
export function showBreaches(): void {
  const known = new Set<string>();
  setHandler(slaBreached, (names) => {
    for (const name of names) known.add(name);
    upsertSearchAttributes({ OrchSlaBreach: [...known] });
  });
}
