import type Docker from 'dockerode';
import type { ImageInspectInfo } from 'dockerode';
import { EngineError } from '../../core/errors.ts';
import { type EngineMessage, ImageProgressMeter } from '../../core/image-progress.ts';
import { repositoryAndTag, withTag } from '../../core/image-reference.ts';
import { tarOf } from '../../core/tar.ts';
import type { EngineContext } from '../define-engine.ts';
import { statusOf } from '../docker/client.ts';
import { credentialsFor } from './credentials.ts';
import type { OperationLog } from './operation-log.ts';
import type { ImageOperation } from './parameters.ts';

/** What an operation left behind. `message`: one sentence for its row. */
export type Done = { image_id: string | null; digest: string | null; bytes: number; layers: number; removed: string[]; message: string };

/** What the operations work with; `hidden`: values that no message may show; `removing`: the image that a removal was sent for. */
export type Work = { docker: Docker; context: EngineContext; log: OperationLog; hidden: string[]; removing?: string };

type Of<K extends ImageOperation['operation']> = Extract<ImageOperation, { operation: K }>;
const DONE: Done = { image_id: null, digest: null, bytes: 0, layers: 0, removed: [], message: '' };

/** The Engine answers 200 and reports failures in the stream: this is one, in its words. */
export class EngineRefusal extends Error {}

async function* messagesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<EngineMessage> {
  let held = '';
  for await (const chunk of stream) {
    const lines = (held + chunk.toString('utf8')).split('\n');
    held = lines.pop() ?? '';
    for (const line of lines) if (line.trim()) yield JSON.parse(line) as EngineMessage;
  }
  if (held.trim()) yield JSON.parse(held) as EngineMessage;
}

/** Follows an operation to its end, showing how far it is. @throws EngineRefusal */
async function follow(stream: unknown, { log, context }: Work): Promise<ImageProgressMeter> {
  const meter = new ImageProgressMeter();
  for await (const message of messagesOf(stream as AsyncIterable<Buffer>)) {
    meter.add(message);
    log.note(meter.state);
    if (message.stream) await context.log.write('stdout', Buffer.from(message.stream));
  }
  if (meter.failure) throw new EngineRefusal(meter.failure);
  context.signal.throwIfAborted();
  return meter;
}

const inspect = async (docker: Docker, image: string): Promise<ImageInspectInfo> => await docker.getImage(image).inspect();
const digestOf = ({ RepoDigests }: ImageInspectInfo): string | null => RepoDigests?.[0]?.split('@')[1] ?? null;

async function made(work: Work, image: string, meter: ImageProgressMeter): Promise<Done> {
  const info = await inspect(work.docker, image);
  const { bytes, layers } = meter.state;
  return { ...DONE, image_id: info.Id, digest: digestOf(info), bytes, layers: layers || (info.RootFS?.Layers?.length ?? 0) };
}

async function pull({ image, credentials }: Of<'pull'>, work: Work): Promise<Done> {
  const known = await credentialsFor(image, credentials, work.context);
  work.hidden.push(...(known?.hidden ?? []));
  const options = { abortSignal: work.context.signal, ...(known ? { authconfig: known.auth } : {}) };
  const meter = await follow(await work.docker.pull(withTag(image), options), work);
  return { ...(await made(work, withTag(image), meter)), message: `pulled ${withTag(image)}` };
}

async function push({ image, credentials }: Of<'push'>, work: Work): Promise<Done> {
  const known = await credentialsFor(image, credentials, work.context);
  work.hidden.push(...(known?.hidden ?? []));
  const { repo, tag } = repositoryAndTag(image);
  const options = { tag, abortSignal: work.context.signal, authconfig: known?.auth ?? { username: '', password: '', serveraddress: '' } };
  const meter = await follow(await work.docker.getImage(repo).push(options), work);
  return { ...(await made(work, `${repo}:${tag}`, meter)), digest: meter.made ?? null, message: `pushed ${repo}:${tag}` };
}

async function tag({ image, target }: Of<'tag'>, { docker }: Work): Promise<Done> {
  await docker.getImage(image).tag(repositoryAndTag(target));
  const info = await inspect(docker, image);
  return { ...DONE, image_id: info.Id, digest: digestOf(info), message: `tagged ${image} as ${withTag(target)}` };
}

type Removed = { Untagged?: string; Deleted?: string };
const removedOf = (items: Removed[] | null | undefined): string[] =>
  (items ?? []).map(({ Deleted, Untagged }) => Deleted ?? Untagged ?? '');

/** Whether somebody may have done it before: an execution or attempt that was broken off. */
const isRepeated = ({ instance }: EngineContext): boolean => instance.execution > 1 || instance.attempt > 1;

/** Who follows a broken execution, or asks again because no answer came, finds it gone: that was it. */
async function remove({ image, force }: Of<'remove'>, work: Work): Promise<Done> {
  const { docker, context } = work;
  try {
    const { Id } = await inspect(docker, image);
    work.removing = Id;
    const removed = removedOf((await docker.getImage(image).remove({ force })) as Removed[]);
    return { ...DONE, image_id: Id, removed, message: `removed ${image}` };
  } catch (cause) {
    if (statusOf(cause) === 404 && (work.removing !== undefined || isRepeated(context)))
      return { ...DONE, image_id: work.removing ?? null, message: `${image} was gone already` };
    throw cause;
  }
}

/** The upload is gone when an execution before imported it and was killed before its end was known: then the image is there. */
async function imported(target: string, { docker, context }: Work, cause: unknown): Promise<Done> {
  if (!(cause instanceof EngineError) || cause.code !== 'not_found' || !isRepeated(context)) throw cause;
  const info = await inspect(docker, withTag(target)).catch(() => null);
  if (!info) throw cause;
  return { ...DONE, image_id: info.Id, layers: info.RootFS?.Layers?.length ?? 0, message: `imported ${withTag(target)}` };
}

async function importImage({ artifact, target }: Of<'import'>, work: Work): Promise<Done> {
  const tar = await work.context.artifacts.open(artifact).catch((cause: unknown) => cause as Error);
  if (tar instanceof Error) return await imported(target, work, tar);
  const { repo, tag: name } = repositoryAndTag(target);
  const meter = await follow(
    await work.docker.importImage(tar as unknown as string, { repo, tag: name, abortSignal: work.context.signal }),
    work,
  );
  const done = await made(work, `${repo}:${name}`, meter);
  return { ...done, message: `imported ${repo}:${name}` };
}

async function build(parameters: Of<'build'>, work: Work): Promise<Done> {
  const tar = tarOf({ ...parameters.files, Dockerfile: parameters.dockerfile });
  const options = {
    t: withTag(parameters.target),
    buildargs: parameters.arguments,
    networkmode: parameters.network,
    rm: true,
    forcerm: true,
    abortSignal: work.context.signal,
  };
  const meter = await follow(await work.docker.buildImage(tar as unknown as NodeJS.ReadableStream, options as never), work);
  return { ...(await made(work, withTag(parameters.target), meter)), message: `built ${withTag(parameters.target)}` };
}

async function prune({ all, until_hours }: Of<'prune'>, { docker }: Work): Promise<Done> {
  const filters = { dangling: [String(!all)], ...(until_hours === undefined ? {} : { until: [`${until_hours}h`] }) };
  const answer = await docker.pruneImages({ filters: JSON.stringify(filters) as never });
  const removed = removedOf(answer.ImagesDeleted as Removed[] | null);
  const bytes = answer.SpaceReclaimed ?? 0;
  return { ...DONE, removed, bytes, message: `pruned ${removed.length} items, ${bytes} bytes` };
}

/** Carries the operation out. @throws EngineRefusal and what the Engine's client throws; EngineError for faults of the task */
export async function perform(parameters: ImageOperation, work: Work): Promise<Done> {
  switch (parameters.operation) {
    case 'pull':
      return await pull(parameters, work);
    case 'push':
      return await push(parameters, work);
    case 'tag':
      return await tag(parameters, work);
    case 'remove':
      return await remove(parameters, work);
    case 'import':
      return await importImage(parameters, work);
    case 'build':
      return await build(parameters, work);
    case 'prune':
      return await prune(parameters, work);
    default:
      throw new EngineError('invalid_input', 'operation: unknown');
  }
}
