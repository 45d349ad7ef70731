import type { Logger } from 'pino';
import type { Agent } from 'undici';
import type { Config } from '../../config/env.ts';
import { EngineError, type FieldProblem } from '../../core/errors.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { defineEngine, type EngineContext, type Submitter } from '../define-engine.ts';
import { createDockerClient } from '../docker/client.ts';
import { registryPolicy } from '../docker/registry-policy.ts';
import { toolFinder } from '../ffmpeg/find-tools.ts';
import { createOutboundAgent } from '../outbound-guard.ts';
import { ShellGuard } from '../shell/guard.ts';
import { DetectionWriter } from './detection-writer.ts';
import { pathProblem } from './input-files.ts';
import { DetectionParameters, DetectionResult, runsCommands } from './parameters.ts';
import { type DetectionHost, runDetection } from './run.ts';

export type DetectionConfig = Pick<
  Config,
  | 'DETECTION_ROOTS'
  | 'FFMPEG_PATH'
  | 'FFPROBE_PATH'
  | 'OUTBOUND_ALLOW'
  | 'DETECTION_SAVE_INTERVAL'
  | 'DETECTION_QUEUE_MB'
  | 'SHELL_UID_BASE'
  | 'ENGINE_SHELL'
  | 'DOCKER_HOST'
  | 'TASK_LOG_CAP_BYTES'
> &
  Partial<Pick<Config, 'IMAGE_REGISTRIES'>>;

/** What ffmpeg must have been built with, where it is wanted. */
const NEEDS = { encoders: ['mjpeg'], filters: ['fps', 'scale', 'format'] };

/** How long frames that wait may still be stored when the last run of the process has ended. */
const FLUSH_MS = 10_000;

/** One writer for all runs of the process, from the first one's begin to the last one's end. */
function lendWriter({ DETECTION_QUEUE_MB }: DetectionConfig): DetectionHost['withWriter'] {
  let shared: { writer: DetectionWriter; users: number } | null = null;
  return async <T>(context: EngineContext, work: (writer: DetectionWriter) => Promise<T>): Promise<T> => {
    const logger: Logger = context.logger;
    const lent = shared ?? {
      writer: new DetectionWriter({ fork: context.em, logger, max_weight: DETECTION_QUEUE_MB * 2 ** 20 }),
      users: 0,
    };
    shared = lent;
    lent.users += 1;
    try {
      return await work(lent.writer);
    } finally {
      lent.users -= 1;
      if (lent.users === 0) {
        shared = null;
        await lent.writer.stop(FLUSH_MS);
      }
    }
  };
}

/** @throws EngineError forbidden: a command, from somebody without the right to run one */
async function check(config: DetectionConfig, parameters: DetectionParameters, { actor }: Submitter): Promise<FieldProblem[]> {
  if (runsCommands(parameters)) {
    if (actor.role !== 'admin' && !actor.rights.includes('shell'))
      throw new EngineError('forbidden', `detection tasks that run commands take the right "shell", which user "${actor.username}" lacks`);
    if (!config.ENGINE_SHELL) return [{ pointer: '/parameters/detector', detail: 'commands are switched off here: ENGINE_SHELL=off' }];
  }
  const { source } = parameters;
  if (source?.kind !== 'file' && source?.kind !== 'directory') return [];
  const problem = pathProblem(source.path, config.DETECTION_ROOTS);
  return problem ? [{ pointer: '/parameters/source/path', detail: problem }] : [];
}

/**
 * Runs a detector on a camera's pictures, or replays what one saw, and stores records, violations and statistics.
 * @param worker id of the worker, by which its processes and containers are marked
 */
export function createDetectionEngine(config: DetectionConfig, worker: string) {
  let agent: Agent | null = null;
  const allow = parseOutboundAllow(config.OUTBOUND_ALLOW);
  const host: DetectionHost = {
    commands: { worker, uid_base: config.SHELL_UID_BASE, guard: new ShellGuard() },
    docker: {
      client: createDockerClient(config.DOCKER_HOST),
      worker,
      log_bytes: config.TASK_LOG_CAP_BYTES,
      policy: registryPolicy(config),
      active: new Set(),
      facts: null,
    },
    roots: config.DETECTION_ROOTS,
    tools: toolFinder(config, NEEDS),
    allow,
    agent: () => {
      agent ??= createOutboundAgent(allow);
      return agent;
    },
    save_interval: config.DETECTION_SAVE_INTERVAL,
    withWriter: lendWriter(config),
  };
  return defineEngine({
    kind: 'detection',
    summary: 'Runs a detector on a camera, or replays one, and stores what it sees',
    parameters: DetectionParameters,
    result: DetectionResult,
    on_worker_lost: 'resume',
    batchable: false,
    right: null,
    defaults: { cpu: 0.5, memory_mb: 256 },
    available: async () => ({ ok: true }),
    check: (parameters, submitter) => check(config, parameters, submitter),
    run: (parameters, context) => runDetection(host, parameters, context),
  });
}
