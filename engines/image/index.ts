import type { Config } from '../../config/env.ts';
import { EngineError, type FieldProblem } from '../../core/errors.ts';
import { query } from '../../entities/sql.ts';
import { defineEngine, type Submitter } from '../define-engine.ts';
import { createDockerClient, pingDocker } from '../docker/client.ts';
import { registryPolicy } from '../docker/registry-policy.ts';
import { daemonId } from './daemon-id.ts';
import { ImageOperation, ImageParameters, ImageResult } from './parameters.ts';
import { type ImageHost, runImage } from './run.ts';

/** Images belong to everybody on their daemon, so changing them is for operators; and the worker must be there. */
async function check({ worker }: ImageParameters, { em, actor }: Submitter): Promise<FieldProblem[]> {
  if (actor.role === 'user') throw new EngineError('forbidden', 'operations on images are for operators');
  const known = await query(em, 'select 1 from workers where id = $1', [worker]);
  return known.length > 0 ? [] : [{ pointer: '/parameters/worker', detail: `there is no worker ${JSON.stringify(worker)}` }];
}

/**
 * Operations on the images of the worker's Docker Engine. Each may be repeated: an execution that follows a broken one does what is left.
 * @param worker id of the worker whose Engine it is
 */
export function createImageEngine(
  config: Pick<Config, 'DOCKER_HOST'> & Partial<Pick<Config, 'IMAGE_REGISTRIES' | 'OUTBOUND_ALLOW'>>,
  worker: string,
) {
  const client = createDockerClient(config.DOCKER_HOST);
  const host: ImageHost = { client, worker, policy: registryPolicy(config) };
  return defineEngine({
    kind: 'image',
    summary: 'Pulls, pushes, tags, removes, imports, builds and prunes Docker images',
    parameters: ImageParameters,
    result: ImageResult,
    on_worker_lost: 'resume',
    batchable: false,
    right: null,
    defaults: { cpu: 0.1, memory_mb: 64 },
    worker: (parameters) => parameters.worker,
    available: () => pingDocker(client),
    daemon: () => daemonId(client),
    check,
    run: (parameters, context) => runImage(host, ImageOperation.parse(parameters), context),
  });
}
