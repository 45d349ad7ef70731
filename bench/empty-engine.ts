import { z } from 'zod';
import { completed } from '../core/outcome.ts';
import { defineEngine, type Engines } from '../engines/define-engine.ts';
import { nowMs } from './now.ts';

/** Does nothing and says when it began (epoch milliseconds). Its workflow type is `emptyTask`; nothing outside `bench/` offers it. */
export const emptyEngine = defineEngine({
  kind: 'empty',
  summary: 'Does nothing; for the benchmark',
  parameters: z.strictObject({}),
  result: z.strictObject({ began_ms: z.number() }),
  on_worker_lost: 'new_instance',
  batchable: false,
  uses_folder: false,
  right: null,
  defaults: { cpu: 0.01, memory_mb: 1 },
  available: async () => ({ ok: true }),
  run: async () => completed({ began_ms: nowMs() }),
});

/** The product's engines and the empty one. */
export function withEmptyEngine(engines: Engines): Engines {
  return {
    all: [...engines.all, emptyEngine],
    byKind: (kind) => (kind === emptyEngine.kind ? emptyEngine : engines.byKind(kind)),
  };
}
