import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Agent } from 'undici';
import { countPersons } from '../../core/detection/frame.ts';
import { EngineError } from '../../core/errors.ts';
import type { OutboundAllow } from '../../core/outbound.ts';
import { ended, type Outcome } from '../../core/outcome.ts';
import type { EngineContext } from '../define-engine.ts';
import type { FoundTools } from '../ffmpeg/find-tools.ts';
import type { DetectedFrame, Emit } from './detector-line.ts';
import { resolveInput } from './input-files.ts';
import type { PersonDetector, Source } from './parameters.ts';
import { PersonModel } from './person-model.ts';
import { readPictures } from './picture-stream.ts';
import { type CommandHost, runCommand } from './run-command.ts';
import { checkedStream, openHttpStream } from './stream-source.ts';

/** What looking at pictures takes of the worker. */
export type PictureHost = {
  commands: CommandHost;
  roots: readonly string[];
  tools(): Promise<FoundTools>;
  agent(): Agent;
  allow: OutboundAllow;
};

/** `began_at`: time of the first picture of a file, ms. `known`: frames that need not be looked at again. */
export type PersonOrder = {
  host: PictureHost;
  source: Source;
  detector: PersonDetector;
  began_at: number;
  known(frame_number: number): boolean;
};

const PICTURE = /\.(jpe?g|png|webp|bmp|gif|tiff?)$/i;
const MOST_FILES = 100_000;
const WIDEST = 1_280;

type Input = { args: string[]; stdin: ((context: EngineContext) => ReturnType<typeof openHttpStream>) | null; rate: boolean };
type Pictures = { ffmpeg: string; order: PersonOrder; context: EngineContext };

const fileInput = (file: string, rate: boolean): Input => ({
  args: ['-protocol_whitelist', 'file', '-i', `file:${file}`],
  stdin: null,
  rate,
});

async function streamInput({ host }: PersonOrder, url: string): Promise<Input> {
  if (/^https?:/.test(url)) {
    const stdin = (context: EngineContext) => openHttpStream(host.agent(), url, context.signal);
    return { args: ['-protocol_whitelist', 'pipe', '-i', 'pipe:0'], stdin, rate: true };
  }
  const checked = await checkedStream(url, host.allow);
  return { args: ['-protocol_whitelist', 'rtsp,rtp,tcp,tls', '-rtsp_transport', 'tcp', '-i', checked], stdin: null, rate: true };
}

/** Runs ffmpeg over one input; resolves when it has ended. @returns null: it ended well */
async function playInput(
  { ffmpeg, order, context }: Pictures,
  input: Input,
  take: (jpeg: Buffer) => Promise<void>,
): Promise<Outcome | null> {
  const rate = input.rate ? `fps=${order.detector.fps},` : '';
  const argv = [
    ...[ffmpeg, '-hide_banner', '-loglevel', 'error', ...input.args, '-an', '-sn', '-dn'],
    ...['-vf', `${rate}scale=w='min(${WIDEST},iw)':h=-2,format=yuvj420p`, ...(input.rate ? [] : ['-frames:v', '1'])],
    ...['-c:v', 'mjpeg', '-q:v', '4', '-f', 'mpjpeg', 'pipe:1'],
  ];
  const stdin = input.stdin ? await input.stdin(context) : null;
  const read = (output: AsyncIterable<Buffer>) => readPictures(output, take);
  return await runCommand({ host: order.host.commands, argv, env: {}, source: null, name: 'ffmpeg', stdin, read }, context);
}

async function filesOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => PICTURE.test(name)).toSorted();
  if (names.length === 0) throw new EngineError('not_found', `"${folder}": expected pictures (jpg, png, webp, bmp, gif or tiff), got none`);
  if (names.length > MOST_FILES)
    throw new EngineError('invalid_input', `"${folder}": expected at most ${MOST_FILES} pictures, got ${names.length}`);
  return names.map((name) => path.join(folder, name));
}

/** All pictures of the source, one after the other. @returns null: it ended well, or was stopped */
async function play(pictures: Pictures, take: (jpeg: Buffer) => Promise<void>): Promise<Outcome | null> {
  const { order, context } = pictures;
  const { source, host } = order;
  if (source.kind === 'stream') return await playInput(pictures, await streamInput(order, source.url), take);
  if (source.kind === 'file') return await playInput(pictures, fileInput(await resolveInput(source.path, host.roots), true), take);
  if (source.kind !== 'directory') throw new EngineError('invalid_input', 'source: expected a file, a directory or a stream');
  const files = await filesOf(await resolveInput(source.path, host.roots));
  for (const [i, file] of files.entries()) {
    if (context.signal.aborted) return null;
    const outcome = await playInput(pictures, fileInput(await resolveInput(file, host.roots), false), take);
    if (outcome) return ended('failed', { code: outcome.code, message: `"${file}": ${outcome.error?.message ?? outcome.code}` });
    context.progress((100 * (i + 1)) / files.length, `picture ${i + 1} of ${files.length}`);
  }
  return null;
}

/**
 * Looks for persons in the pictures of a file, a folder or a stream. Frames are numbered from 0, and timed by their place in a file, or by the clock where the source
 * is live.
 * @returns null: it ended well, or was stopped
 * @throws EngineError unavailable: no ffmpeg, no packages of the network, no stream; not_found, forbidden, invalid_input: the source
 */
export async function runPerson(order: PersonOrder, context: EngineContext, emit: Emit): Promise<Outcome | null> {
  const tools = await order.host.tools();
  if ('missing' in tools) throw new EngineError('unavailable', tools.missing);
  const { detector, source, began_at } = order;
  const model = new PersonModel();
  let frame_number = -1;
  const look = async (picture: Buffer): Promise<void> => {
    frame_number += 1;
    if (context.signal.aborted || order.known(frame_number)) return;
    const begun = performance.now();
    const objects = await model.persons(picture, detector);
    const processing_ms = Math.round(performance.now() - begun);
    const timestamp = source.kind === 'stream' ? null : began_at + Math.round((frame_number * 1_000) / detector.fps);
    const rest = { hairnet_violations: 0, fps: detector.fps, processing_ms, detail: null };
    const frame: DetectedFrame = { frame_number, timestamp, objects, person_count: countPersons(objects), ...rest, picture };
    await emit(frame);
  };
  try {
    return await unlessStopped(context, play({ ffmpeg: tools.ffmpeg, order, context }, look));
  } finally {
    await model.stop();
  }
}

/** What a stop makes go wrong is no fault. */
async function unlessStopped(context: EngineContext, work: Promise<Outcome | null>): Promise<Outcome | null> {
  try {
    return await work;
  } catch (cause) {
    await pause(0);
    if (context.signal.aborted) return null;
    throw cause;
  }
}
