import type { Container, ContainerInspectInfo } from 'dockerode';
import { EngineError } from '../../core/errors.ts';
import type { EngineContext } from '../define-engine.ts';
import { resolveSecrets } from '../secret-values.ts';
import { type DockerClient, patiently, reasonOf, statusOf } from './client.ts';
import { containerName, containerSpec, type DaemonFacts, LABEL } from './container-spec.ts';
import { ensureImage } from './image.ts';
import type { Ledger } from './ledger.ts';
import type { DockerParameters } from './parameters.ts';
import type { RegistryPolicy } from './registry-policy.ts';

/** What the docker runs of one worker share. `active`: runids at work in this process. */
export type DockerHost = {
  client: DockerClient;
  worker: string;
  log_bytes: number;
  policy: RegistryPolicy;
  active: Set<string>;
  facts: DaemonFacts | null;
};
export type DockerRun = { host: DockerHost; parameters: DockerParameters; context: EngineContext; ledger: Ledger };

/** The container could not be made or started, or is gone: the task ends with `failure`, and another attempt may follow by its policy. */
export class ContainerFailure extends EngineError {
  readonly failure: string;

  constructor(failure: string, message: string, cause?: unknown) {
    super('conflict', message, { cause });
    this.failure = failure;
  }
}

/** Whether there is a docker-init is told by its version only: some builds leave its commit out, and "N/A" stands for a missing one. */
async function daemonFacts(host: DockerHost): Promise<DaemonFacts> {
  if (host.facts) return host.facts;
  const [info, version] = await Promise.all([host.client.docker.info() as Promise<{ NCPU: number }>, host.client.docker.version()]);
  const init = version.Components?.find((component) => component.Name === 'docker-init')?.Version ?? 'N/A';
  host.facts = { cpus: info.NCPU, init: init !== 'N/A' && init !== '' };
  return host.facts;
}

async function find({ host, context }: DockerRun): Promise<Container | null> {
  const { runid } = context.instance;
  const container = host.client.docker.getContainer(containerName(runid));
  try {
    const { Id, Config } = await container.inspect();
    if (Config.Labels[LABEL.runid] !== runid)
      throw new ContainerFailure('name_taken', `container "${containerName(runid)}" is not of this instance`);
    return host.client.docker.getContainer(Id);
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

/** Creates the container, or finds the one that an earlier request or execution created under the same name. */
async function create(run: DockerRun, env: Record<string, string>): Promise<Container> {
  const { host, parameters, context } = run;
  const { worker, log_bytes } = host;
  const facts = await daemonFacts(host);
  try {
    return await host.client.docker.createContainer(
      containerSpec({ parameters, env, instance: context.instance, worker, log_bytes, facts }),
    );
  } catch (error) {
    const existing = statusOf(error) === 409 ? await find(run) : null;
    if (existing) return existing;
    if (statusOf(error) === null) throw error;
    throw new ContainerFailure('create_failed', `the container could not be created: ${reasonOf(error)}`, error);
  }
}

/** The log masks the secrets that its own execution has asked for, so a container that is gone on with takes asking again; deleted ones stay unknown. */
async function knowSecrets({ parameters, context }: DockerRun): Promise<void> {
  for (const [name, value] of Object.entries(parameters.env)) {
    await resolveSecrets({ [name]: value }, context, null).catch((error: unknown) => {
      if (!(error instanceof EngineError) || !['not_found', 'forbidden'].includes(error.code)) throw error;
    });
  }
}

async function createOrFind(run: DockerRun): Promise<Container> {
  const { host, parameters, context, ledger } = run;
  const { signal } = context;
  if (context.instance.execution > 1) {
    const existing = await patiently(host.client, () => find(run), signal);
    if (existing) {
      await knowSecrets(run);
      return existing;
    }
    if (await ledger.wasCreated())
      throw new ContainerFailure('container_gone', 'the container was removed by somebody else before it was done');
  }
  await patiently(host.client, () => ensureImage(host.client.docker, { ...parameters, policy: host.policy }, context), signal);
  const { values: env } = await resolveSecrets(parameters.env, context, null);
  signal.throwIfAborted();
  return await patiently(host.client, () => create(run, env), signal);
}

async function start(container: Container): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    if (statusOf(error) === 304) return;
    if (statusOf(error) === null) throw error;
    throw new ContainerFailure('start_failed', `the container could not be started: ${reasonOf(error)}`, error);
  }
}

/**
 * The running (or ended) container of the instance: an earlier execution's where there is one, else a new one.
 * @throws ImageNotFound, ContainerFailure: the task fails; EngineError unavailable: no daemon
 */
export async function obtainContainer(run: DockerRun): Promise<Container> {
  const { host, context, ledger } = run;
  const container = await createOrFind(run);
  await ledger.created(container.id);
  const state = await patiently(host.client, () => inspect(container));
  if (state.Status !== 'created') {
    await context.log.system(`re-attached to container ${container.id.slice(0, 12)}`);
    return container;
  }
  context.signal.throwIfAborted();
  await patiently(host.client, () => start(container));
  return container;
}

/** @throws ContainerFailure container_gone: somebody removed it */
export async function inspect(container: Container): Promise<ContainerInspectInfo['State'] & { Image: string }> {
  try {
    const { State, Image } = await container.inspect();
    return { ...State, Image };
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    throw new ContainerFailure('container_gone', 'the container was removed by somebody else before it was done', error);
  }
}
