import { z } from 'zod';
import { completed } from '../../core/outcome.ts';
import { defineEngine, type Engine, type Engines } from '../../engines/define-engine.ts';
import { createEngines, type EngineConfig } from '../../engines/index.ts';

/** Does nothing, so that tests of admission and bookkeeping need no child processes. */
const empty = defineEngine({
  kind: 'empty',
  summary: 'Does nothing',
  parameters: z.strictObject({}),
  result: z.strictObject({}),
  on_worker_lost: 'resume',
  batchable: false,
  right: null,
  defaults: { cpu: 0.5, memory_mb: 16 },
  available: async () => ({ ok: true }),
  run: async () => completed({}),
});

/** The project's engines and `empty`. */
export function testEngines(config: EngineConfig, worker?: string): Engines {
  const all = [...createEngines(config, worker).all, empty as unknown as Engine];
  return { all, byKind: (kind) => all.find((engine) => engine.kind === kind) };
}
