import { z } from 'zod';
import { completed } from '../core/outcome.ts';
import { defineEngine, type Engines } from '../engines/define-engine.ts';
import { nowMs } from './now.ts';

/** Does nothing, says when it began (epoch milliseconds) and gives back what it was given. Its workflow type is `emptyTask`; nothing outside `bench/` offers it. */
export const emptyEngine = defineEngine({
  kind: 'empty',
  summary: 'Does nothing; for the benchmark',
  parameters: z.strictObject({ payload: z.string().optional() }),
  result: z.strictObject({ began_ms: z.number(), payload: z.string().optional() }),
  on_worker_lost: 'new_instance',
  batchable: 'by_template',
  uses_folder: false,
  right: null,
  defaults: { cpu: 0.01, memory_mb: 1 },
  available: async () => ({ ok: true }),
  run: async ({ payload }) => completed({ began_ms: nowMs(), ...(payload === undefined ? {} : { payload }) }),
});

/** The product's engines and the empty one. */
export function withEmptyEngine(engines: Engines): Engines {
  return {
    all: [...engines.all, emptyEngine],
    byKind: (kind) => (kind === emptyEngine.kind ? emptyEngine : engines.byKind(kind)),
  };
}
