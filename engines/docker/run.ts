import { setTimeout as pause } from 'node:timers/promises';
import type { Container } from 'dockerode';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import type { EngineContext } from '../define-engine.ts';
import { stoppedOutcome, stopReason } from '../stopped.ts';
import { isAway, patiently, statusOf } from './client.ts';
import { containerName } from './container-spec.ts';
import { ImageNotFound } from './image.ts';
import { openLedger } from './ledger.ts';
import { ContainerLogs } from './logs.ts';
import { ContainerFailure, type DockerHost, type DockerRun, inspect, obtainContainer } from './obtain.ts';
import type { DockerParameters, DockerResult } from './parameters.ts';

type State = Awaited<ReturnType<typeof inspect>>;

const STOP_GRACE_S = 5;
const DRAIN_MS = 10_000;

/** Shutdown and supersession leave the container: the next execution goes on with it, or the sweep removes it when its instance is final. */
const leavesContainer = ({ signal }: EngineContext): boolean => signal.aborted && ['shutdown', 'superseded'].includes(stopReason(signal));

async function stop({ host, context }: DockerRun, container: Container): Promise<void> {
  try {
    await patiently(host.client, () => container.stop({ t: context.graceS() ?? STOP_GRACE_S }));
  } catch (error) {
    if (![304, 404].includes(statusOf(error) ?? 0)) throw error;
  }
}

/** On abort: stops the container, unless it is to be left; `reading` ends at once then, else when there was time to read the rest. */
function obeyAbort(run: DockerRun, container: Container, reading: AbortController): () => void {
  const { signal, logger } = run.context;
  const onAbort = async (): Promise<void> => {
    if (leavesContainer(run.context)) return reading.abort();
    await stop(run, container).catch((error: unknown) => logger.error({ err: error }, 'a container could not be stopped'));
    await pause(DRAIN_MS, undefined, { ref: false });
    reading.abort();
  };
  const listener = (): void => void onAbort();
  signal.addEventListener('abort', listener, { once: true });
  if (signal.aborted) listener();
  return () => signal.removeEventListener('abort', listener);
}

/** A container removed from outside has no logs to complete; how it ended is known by then. */
function unlessGone(error: unknown): void {
  if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
}

/** Reads logs until the container has ended; a broken connection is taken up again where it was. */
async function follow({ host, context }: DockerRun, container: Container, reading: AbortSignal): Promise<State> {
  const logs = new ContainerLogs(container, context.log);
  for (;;) {
    await logs.follow(reading).catch((error: unknown) => {
      if (!reading.aborted && !isAway(error) && statusOf(error) === null) throw error;
    });
    if (leavesContainer(context)) stoppedOutcome(context);
    const state = await patiently(host.client, () => inspect(container));
    if (!state.Running) {
      if (!reading.aborted) await patiently(host.client, () => logs.complete(reading)).catch(unlessGone);
      return state;
    }
    await pause(100);
  }
}

function resultOf(container: Container, state: State): DockerResult {
  const duration_s = Math.max(0, Date.parse(state.FinishedAt) - Date.parse(state.StartedAt)) / 1_000;
  return { exit_code: state.ExitCode, oom_killed: state.OOMKilled, container_id: container.id, image_id: state.Image, duration_s };
}

function outcomeOf(result: DockerResult, memory_mb: number): Outcome {
  if (result.exit_code === 0) return completed(result);
  if (result.oom_killed) {
    return ended('failed', {
      code: 'oom',
      message: `the container needed more than its ${memory_mb} MB of memory and was killed`,
      details: result,
    });
  }
  return ended('failed', { code: 'exit_code', message: `the container ended with exit code ${result.exit_code}`, details: result });
}

async function conduct(run: DockerRun, container: Container): Promise<Outcome> {
  const reading = new AbortController();
  const deaf = obeyAbort(run, container, reading);
  try {
    const result = resultOf(container, await follow(run, container, reading.signal));
    return run.context.signal.aborted ? stoppedOutcome(run.context, result) : outcomeOf(result, run.context.instance.memory_mb);
  } finally {
    deaf();
  }
}

/** What the task is told when there was no container to follow; other errors are the surroundings'. */
function failureOf(error: unknown, context: EngineContext): Outcome {
  if (error instanceof ImageNotFound) return ended('failed', { code: 'image_not_found', message: error.message, details: error.details });
  if (error instanceof ContainerFailure) return ended('failed', { code: error.failure, message: error.message });
  if (context.signal.aborted && !leavesContainer(context)) return stoppedOutcome(context);
  throw error;
}

/** The instance is decided: this is written down, then the container goes. What cannot be removed now, the sweep removes. */
async function conclude({ host, context, ledger }: DockerRun, outcome: Outcome): Promise<Outcome> {
  await ledger.ended(outcome);
  const container = host.client.docker.getContainer(containerName(context.instance.runid));
  await patiently(host.client, () => container.remove({ force: true, v: true })).catch((error: unknown) => {
    if (![404, 409].includes(statusOf(error) ?? 0)) context.logger.warn({ err: error }, 'a container could not be removed yet');
  });
  return outcome;
}

/**
 * Runs a docker task, or goes on with the container that an earlier execution of the same instance left.
 * @throws EngineError superseded: left for another execution; unavailable: the daemon was away for more than a minute
 */
export async function runDocker(host: DockerHost, parameters: DockerParameters, context: EngineContext): Promise<Outcome> {
  const { runid } = context.instance;
  const run: DockerRun = { host, parameters, context, ledger: openLedger(context.folder) };
  const before = await run.ledger.outcome();
  if (before) return await conclude(run, before);
  if (leavesContainer(context)) return stoppedOutcome(context);
  host.active.add(runid);
  try {
    const outcome = await obtainContainer(run)
      .then((container) => conduct(run, container))
      .catch((error: unknown) => {
        if (leavesContainer(context)) return stoppedOutcome(context);
        return failureOf(error, context);
      });
    return await conclude(run, outcome);
  } finally {
    host.active.delete(runid);
  }
}
