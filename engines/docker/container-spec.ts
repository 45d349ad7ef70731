import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type { EngineInstance } from '../define-engine.ts';
import type { DockerParameters } from './parameters.ts';

/** Labels by which containers are found again. */
export const LABEL = {
  task: 'orchestrator.task',
  runid: 'orchestrator.runid',
  attempt: 'orchestrator.attempt',
  worker: 'orchestrator.worker',
} as const;

/** What the daemon can do: its number of CPUs bounds a request, `init` says whether it has a docker-init to reap zombies. */
export type DaemonFacts = { cpus: number; init: boolean };
export type SpecInput = {
  parameters: DockerParameters;
  env: Record<string, string>;
  instance: EngineInstance;
  worker: string;
  log_bytes: number;
  facts: DaemonFacts;
};

const MB = 1024 * 1024;
const LEAST_MEMORY_MB = 6;
const LEAST_LOG_BYTES = 256 * MB;

/** One name per instance: creating it twice is refused by the daemon, which makes starting it twice impossible. */
export const containerName = (runid: string): string => `orch-${runid}`;

function hostConfig({ parameters, instance, facts, log_bytes }: SpecInput): HostConfig {
  const memory = Math.max(instance.memory_mb, LEAST_MEMORY_MB) * MB;
  return {
    NanoCpus: Math.round(Math.min(Math.max(instance.cpu, 0.01), facts.cpus) * 1e9),
    Memory: memory,
    MemorySwap: memory,
    PidsLimit: 512,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    NetworkMode: parameters.network,
    LogConfig: { Type: 'json-file', Config: { 'max-size': String(Math.max(LEAST_LOG_BYTES, log_bytes * 4)), 'max-file': '1' } },
    RestartPolicy: { Name: 'no' },
    ...(facts.init ? { Init: true } : {}),
  };
}

/** The container of an instance, built from what is allowed; nothing of the request is passed through. CPU and memory equal the grant. */
export function containerSpec(input: SpecInput): ContainerCreateOptions {
  const { parameters, env, instance, worker } = input;
  const { command, entrypoint, working_dir, user } = parameters;
  const { runid, task_id, attempt } = instance;
  return {
    name: containerName(runid),
    Image: parameters.image,
    ...(command ? { Cmd: command } : {}),
    ...(entrypoint ? { Entrypoint: entrypoint } : {}),
    ...(working_dir ? { WorkingDir: working_dir } : {}),
    ...(user ? { User: user } : {}),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Labels: { [LABEL.task]: task_id, [LABEL.runid]: runid, [LABEL.attempt]: String(attempt), [LABEL.worker]: worker },
    Tty: false,
    HostConfig: hostConfig(input),
  };
}
