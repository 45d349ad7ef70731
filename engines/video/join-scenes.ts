import { writeFile } from 'node:fs/promises';
import { EngineError } from '../../core/errors.ts';
import { probeProblem } from '../../core/video/probe.ts';
import { joinArguments, joinList, thumbnailArguments } from '../../core/video/scene-graph.ts';
import { framesOf, totalDuration } from '../../core/video/script.ts';
import type { VideoResult } from './parameters.ts';
import type { SceneFailure } from './render-scene.ts';
import { type StoredScene, storeFinal } from './rows.ts';
import { storeFile } from './store-file.ts';
import { keyOf, probe, runFfmpeg, type Studio, sceneName } from './studio.ts';

const LIST = 'scenes.ffconcat';
const VIDEO = 'video.mp4';
const THUMBNAIL = 'video.jpg';
const VIDEO_TOLERANCE_S = 0.2;

/** Fetches the scenes into the workplace, where they need not be any more: another worker may have rendered them. */
async function gather({ place, context }: Studio, script: readonly StoredScene[]): Promise<void> {
  for (const { scene_number } of script) {
    const name = sceneName(scene_number, 'mp4');
    await context.artifacts.fetch(keyOf(context.instance.task_id, name), place.file(name));
    await place.give(name);
  }
  const files = script.map(({ scene_number, duration }) => ({ file: sceneName(scene_number, 'mp4'), duration }));
  await writeFile(place.file(LIST), joinList(files), { mode: 0o600 });
  await place.give(LIST);
}

/** Joins all scenes into the finished video, compares it with what was asked for, and stores it. @returns null when the run was told to stop */
export async function joinScenes(studio: Studio, script: readonly StoredScene[]): Promise<VideoResult | SceneFailure | null> {
  const { context, parameters, progress } = studio;
  await gather(studio, script);
  const duration_s = totalDuration(script);
  const failure = await runFfmpeg(studio, joinArguments(LIST, VIDEO), ({ out_time_s }) => progress.join((out_time_s ?? 0) / duration_s));
  if (context.signal.aborted) return null;
  if (failure) return { code: 'join_failed', message: failure.message };
  const found = await probe(studio, VIDEO);
  const { width, height, fps } = parameters;
  const frames = script.reduce((sum, { duration }) => sum + framesOf(duration, fps), 0);
  const problem = probeProblem(found, { width, height, fps, frames, duration_s, tolerance_s: VIDEO_TOLERANCE_S });
  if (context.signal.aborted) return null;
  if (!found || problem !== null) return { code: 'join_failed', message: problem ?? 'no video' };
  const thumbnail_path = await thumbnail(studio, Math.min(1, duration_s / 2));
  if (context.signal.aborted) return null;
  const { key, size, sha256 } = await storeFile(studio, VIDEO, VIDEO);
  await context.fenced((em) => storeFinal(em, context.instance.task_id, key));
  const facts = { duration_s: found.duration_s, frames, width, height, fps, scenes: script.length };
  return { video_path: key, thumbnail_path, ...facts, size_bytes: size, sha256 };
}

async function thumbnail(studio: Studio, at_s: number): Promise<string | null> {
  const failure = await runFfmpeg(studio, thumbnailArguments(VIDEO, at_s, THUMBNAIL));
  return failure ? null : (await storeFile(studio, THUMBNAIL, THUMBNAIL)).key;
}

/** Too much stored is the user's to mend, so it ends the video; other errors pass. */
export function joinFailure(error: unknown): SceneFailure {
  if (error instanceof EngineError && error.code === 'quota_exceeded') return { code: 'storage_full', message: error.message };
  throw error;
}
