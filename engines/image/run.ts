import { setTimeout as pause } from 'node:timers/promises';
import { dockerfileOrigins } from '../../core/dockerfile-origins.ts';
import { EngineError } from '../../core/errors.ts';
import { completed, ended, type Outcome, type OutcomeError } from '../../core/outcome.ts';
import type { EngineContext } from '../define-engine.ts';
import { type DockerClient, isAway, patiently, reasonOf, statusOf } from '../docker/client.ts';
import { type RegistryPolicy, refuseUnlisted } from '../docker/registry-policy.ts';
import { stoppedOutcome } from '../stopped.ts';
import { daemonId } from './daemon-id.ts';
import { OperationLog } from './operation-log.ts';
import { type ImageOperation, imageNameOf } from './parameters.ts';
import { type Done, EngineRefusal, perform, type Work } from './perform.ts';
import { syncImages } from './sync-images.ts';

export type ImageHost = { client: DockerClient; worker: string; policy: RegistryPolicy };

const TRIES = 3;
const WAIT_MS = [1_000, 3_000];

/** What may be otherwise a moment later: the Engine or the registry was not to be reached. */
const PASSING =
  /connection refused|connection reset|i\/o timeout|TLS handshake timeout|no such host|temporary failure|unexpected EOF|: EOF$|context deadline exceeded|Client\.Timeout|50[234] /i;
const ABSENT = /not found|manifest unknown|no such image|does not exist|repository name not known|name unknown|pull access denied/i;
const BARRED = /unauthorized|authentication required|no basic auth|access denied|forbidden|denied: /i;

/** The Engine's words, without what some service that is no registry answered, and without secrets. */
function wordsOf(error: unknown, hidden: readonly string[]): string {
  const words = (error instanceof EngineRefusal ? error.message : reasonOf(error)).replace(/(response body: ).*/s, '$1…');
  return hidden.filter((value) => value.length >= 4).reduce((text, value) => text.replaceAll(value, '***'), words);
}

function codeOf(error: unknown, words: string): string {
  const status = statusOf(error);
  if (error instanceof EngineError) return error.code;
  if (status === 404 || ABSENT.test(words)) return 'image_not_found';
  if (BARRED.test(words)) return 'forbidden';
  if (status === 409) return 'conflict';
  return PASSING.test(words) || isAway(error) ? 'unavailable' : 'image_failed';
}

const failureOf = (error: unknown, hidden: readonly string[]): OutcomeError => {
  const message = wordsOf(error, hidden);
  return { code: codeOf(error, message), message };
};

/** Tries again what failed for a passing reason; an absent image never. */
async function persistently(parameters: ImageOperation, work: Work): Promise<Done> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await perform(parameters, work);
    } catch (cause) {
      const { code, message } = failureOf(cause, work.hidden);
      if (work.context.signal.aborted || code !== 'unavailable' || attempt >= TRIES - 1) throw cause;
      await work.context.log.system(`${message}; trying again`);
      await pause(WAIT_MS[attempt] ?? 1_000, undefined, { signal: work.context.signal });
    }
  }
}

/** Told to stop: cancelled and timed-out operations are over and failed; work that another execution takes up stays open. */
async function interrupted(log: OperationLog, context: EngineContext, duration_ms: number): Promise<Outcome> {
  const outcome = stoppedOutcome(context);
  const end = { image_id: null, bytes: 0, layers: 0, duration_ms, error_code: outcome.code };
  await log.end({ ...end, status: 'failed', message: `${outcome.error?.message}` });
  return outcome;
}

/** What cannot be noted now is noted by the next comparison; the operation has succeeded all the same. */
async function noteImages({ docker, context }: Work, docker_id: string): Promise<void> {
  await syncImages(context.em(), docker, docker_id).catch((cause: unknown) =>
    context.logger.warn({ err: cause }, 'images could not be compared after an operation'),
  );
}

/** Only when its end is stored: whoever is killed before it imports again. What is left behind goes with the old uploads. */
async function removeUpload(parameters: ImageOperation, { artifacts, logger }: EngineContext): Promise<void> {
  if (parameters.operation !== 'import') return;
  await artifacts.remove(parameters.artifact).catch((cause: unknown) => logger.warn({ err: cause }, 'an upload could not be removed'));
}

/** @throws EngineError forbidden: an image from where none may come */
function refuseOrigins(policy: RegistryPolicy, parameters: ImageOperation): void {
  if (parameters.operation === 'pull' || parameters.operation === 'push') refuseUnlisted(policy, parameters.image);
  if (parameters.operation !== 'build') return;
  const { images, faults } = dockerfileOrigins(parameters.dockerfile);
  const fault = faults.find(({ readable }) => readable || policy.listed.size > 0);
  if (fault) throw new EngineError('forbidden', `dockerfile: ${fault.detail}`);
  for (const image of images) refuseUnlisted(policy, image);
}

/** One operation on the images of this worker's Engine, with its row from `started` to its true end. */
export async function runImage(host: ImageHost, parameters: ImageOperation, context: EngineContext): Promise<Outcome> {
  const started = performance.now();
  const spent = (): number => Math.round(performance.now() - started);
  const docker_id = await patiently(host.client, () => daemonId(host.client), context.signal).catch(() => null);
  const log = await OperationLog.begin({ worker: host.worker, docker_id }, parameters, context);
  const work: Work = { docker: host.client.docker, context, log, hidden: [] };
  try {
    refuseOrigins(host.policy, parameters);
    context.signal.throwIfAborted();
    const done = await persistently(parameters, work);
    const { image_id, digest, bytes, layers, removed, message } = done;
    if (docker_id) await noteImages(work, docker_id);
    await log.end({ status: 'succeeded', message, error_code: null, image_id, bytes, layers, duration_ms: spent() });
    await removeUpload(parameters, context);
    const { operation } = parameters;
    const image = operation === 'prune' ? null : imageNameOf(parameters);
    return completed({ operation, image, image_id, digest, bytes, layers, removed, duration_ms: spent() });
  } catch (cause) {
    if (context.signal.aborted) return await interrupted(log, context, spent());
    const error = failureOf(cause, work.hidden);
    await log.end({
      status: 'failed',
      message: error.message,
      error_code: error.code,
      image_id: null,
      bytes: 0,
      layers: 0,
      duration_ms: spent(),
    });
    return ended('failed', error);
  }
}
