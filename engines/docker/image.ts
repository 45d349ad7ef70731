import type Docker from 'dockerode';
import { EngineError } from '../../core/errors.ts';
import type { EngineContext } from '../define-engine.ts';
import { reasonOf, statusOf } from './client.ts';
import { type RegistryPolicy, refusePrivate } from './registry-policy.ts';

type Progress = { status?: string; error?: string };

/** No image, no container: the task ends with this. */
export class ImageNotFound extends EngineError {
  constructor(image: string, reason: string) {
    super('not_found', `image "${image}": ${reason}`, { details: { image } });
  }
}

async function isPresent(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

/** Reads a pull's progress to its end; the daemon reports failures there, after it has answered 200. @returns the failure */
async function readPull(stream: AsyncIterable<Buffer>): Promise<string | null> {
  let text = '';
  for await (const chunk of stream) text = (text + chunk.toString('utf8')).slice(-16_384);
  const lines = text.split('\n').filter((line) => line.includes('"error"'));
  const last = lines.at(-1);
  if (!last) return null;
  try {
    return (JSON.parse(last) as Progress).error ?? last;
  } catch {
    return last;
  }
}

/** Without a tag Docker would fetch all tags of the image. */
const withTag = (image: string): string => (/[:@][^/]*$/.test(image) ? image : `${image}:latest`);

/** The daemon repeats what it was answered, and a reference may name any service that it reaches. */
const withoutAnswer = (reason: string): string => reason.replace(/(response body: ).*/s, '$1…');

async function pull(docker: Docker, image: string, signal: AbortSignal): Promise<string | null> {
  try {
    const stream = await docker.pull(withTag(image), { abortSignal: signal });
    const failure = await readPull(stream as unknown as AsyncIterable<Buffer>);
    return failure && withoutAnswer(failure);
  } catch (error) {
    if (statusOf(error) === null) throw error;
    return withoutAnswer(reasonOf(error));
  }
}

/**
 * Sees to it that the daemon has the image, as the task's `pull` says.
 * @throws ImageNotFound: it is not there and may not or could not be fetched
 */
export async function ensureImage(
  docker: Docker,
  wanted: { image: string; pull: 'missing' | 'never' | 'always'; policy: RegistryPolicy },
  context: EngineContext,
): Promise<void> {
  const { image } = wanted;
  if (wanted.pull !== 'always' && (await isPresent(docker, image))) return;
  if (wanted.pull === 'never') throw new ImageNotFound(image, 'not present on this Docker Engine, and pull is "never"');
  await refusePrivate(wanted.policy, image);
  await context.log.system(`pulling image ${image}`);
  const failure = await pull(docker, image, context.signal);
  if (failure) throw new ImageNotFound(image, `could not be pulled: ${failure}`);
}
