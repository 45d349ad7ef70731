import type { Logger } from 'pino';
import type { Config } from '../../config/env.ts';
import { defineEngine } from '../define-engine.ts';
import { createDockerClient, isAway, pingDocker, statusOf } from './client.ts';
import { LABEL } from './container-spec.ts';
import type { DockerHost } from './obtain.ts';
import { DockerParameters, DockerResult } from './parameters.ts';
import { registryPolicy } from './registry-policy.ts';
import { runDocker } from './run.ts';

type DockerConfig = Pick<Config, 'DOCKER_HOST' | 'TASK_LOG_CAP_BYTES'> & Partial<Pick<Config, 'IMAGE_REGISTRIES' | 'OUTBOUND_ALLOW'>>;

async function removeContainer({ client }: DockerHost, id: string): Promise<void> {
  await client.docker
    .getContainer(id)
    .remove({ force: true, v: true })
    .catch((error: unknown) => {
      if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
    });
}

/** Removes containers of this worker whose instance is not live any more. Without a daemon there is nothing to do now. */
async function sweep(host: DockerHost, live: ReadonlySet<string>, logger: Logger): Promise<void> {
  const filters = { label: [`${LABEL.worker}=${host.worker}`] };
  const containers = await host.client.docker.listContainers({ all: true, filters }).catch((error: unknown) => {
    if (isAway(error)) return [];
    throw error;
  });
  for (const { Id, Labels } of containers) {
    const runid = Labels[LABEL.runid] ?? '';
    if (live.has(runid) || host.active.has(runid)) continue;
    await removeContainer(host, Id);
    logger.warn({ runid, container_id: Id }, 'removed the left-over container of an instance that is not live');
  }
}

/**
 * Runs a container and follows it; a worker that comes back goes on with the same container.
 * @param worker id of the worker, by which its containers are labelled
 * @throws EngineError invalid_input: DOCKER_HOST is no address
 */
export function createDockerEngine(config: DockerConfig, worker: string) {
  const client = createDockerClient(config.DOCKER_HOST);
  const policy = registryPolicy(config);
  const host: DockerHost = { client, worker, log_bytes: config.TASK_LOG_CAP_BYTES, policy, active: new Set(), facts: null };
  return defineEngine({
    kind: 'docker',
    summary: 'Runs a container from an image',
    parameters: DockerParameters,
    result: DockerResult,
    on_worker_lost: 'reattach',
    batchable: false,
    right: null,
    defaults: { cpu: 0.5, memory_mb: 256 },
    available: () => pingDocker(client),
    run: (parameters, context) => runDocker(host, parameters, context),
    sweep: (live, logger) => sweep(host, live, logger),
  });
}
