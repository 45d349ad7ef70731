import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { ended, type Outcome } from '../core/outcome.ts';
import type { Engine, Engines } from './define-engine.ts';
import { createDetectionEngine, type DetectionConfig } from './detection/index.ts';
import { createDockerEngine } from './docker/index.ts';
import { createFlamesEngine } from './flames/index.ts';
import { createHttpEngine } from './http/index.ts';
import { createImageEngine } from './image/index.ts';
import { createShellEngine } from './shell/index.ts';
import { createVideoEngine } from './video/index.ts';
import type { VideoConfig } from './video/studio.ts';

/** Settings that engines read. */
export type EngineConfig = Pick<
  Config,
  'ENGINE_SHELL' | 'SHELL_UID_BASE' | 'OUTBOUND_ALLOW' | 'DOCKER_HOST' | 'TASK_LOG_CAP_BYTES' | 'FLAMES_CACHE_HOURS'
> &
  DetectionConfig &
  Partial<Pick<Config, 'IMAGE_REGISTRIES'>> &
  VideoConfig;

const TASK_FAULTS = new Set(['forbidden', 'not_found', 'invalid_input']);

/** Errors that the task brought with it (a secret it may not use, a value that cannot be sent) end it; all others are the surroundings'. */
async function faultsAsOutcome(work: Promise<Outcome>): Promise<Outcome> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof EngineError && TASK_FAULTS.has(error.code))
      return ended('failed', { code: error.code, message: error.message, details: error.details });
    throw error;
  }
}

const hardened = (engine: Engine): Engine => ({
  ...engine,
  run: (parameters, context) => faultsAsOutcome(engine.run(parameters, context)),
});

/**
 * All engines. Makes no connection and starts nothing: the API needs the schemas only.
 * @param worker id of the worker that runs them; engines mark by it what they start
 */
export function createEngines(config: EngineConfig, worker = 'none'): Engines {
  const made = [
    createShellEngine(config, worker),
    createHttpEngine(config),
    createDockerEngine(config, worker),
    createDetectionEngine(config, worker),
    createImageEngine(config, worker),
    createFlamesEngine(config),
    createVideoEngine(config, worker),
  ] as unknown as Engine[];
  const all = made.map(hardened);
  return { all, byKind: (kind) => all.find((engine) => engine.kind === kind) };
}
