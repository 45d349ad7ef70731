import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { EngineError } from '../../core/errors.ts';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import { writeScenes } from '../../core/video/scene-writer.ts';
import { type Scene, scriptProblems } from '../../core/video/script.ts';
import type { EngineContext } from '../define-engine.ts';
import { openWorkplace } from '../ffmpeg/workplace.ts';
import { stoppedOutcome } from '../stopped.ts';
import { joinFailure, joinScenes } from './join-scenes.ts';
import { writeByModel } from './model-writer.ts';
import { givenScenes, type VideoParameters } from './parameters.ts';
import { renderScene, type SceneFailure } from './render-scene.ts';
import { loadRows, type StoredScene, type StoredVideo, storeScript } from './rows.ts';
import type { Studio, VideoHost } from './studio.ts';
import { VideoProgress } from './video-progress.ts';

type Work = { host: VideoHost; parameters: VideoParameters; context: EngineContext };

/** A video whose script is written, and what is stored of its scenes. */
type Scripted = { script: StoredScene[]; videos: StoredVideo[] };

async function writeScript({ host, parameters, context }: Work): Promise<Scene[]> {
  const given = givenScenes(parameters);
  if (given) return given;
  const wish = { prompt: parameters.prompt ?? '', scenes: parameters.scene_count ?? null, scene_duration: parameters.scene_duration };
  const { writer } = parameters;
  if (writer.kind === 'builtin') return writeScenes(wish);
  await context.log.system(`the script is written by ${writer.model}`);
  return await writeByModel(host.agent(), writer, { wish, context });
}

/** The script: the stored one, so that a model is asked once for each video, or a new one. */
async function scripted(work: Work): Promise<Scripted | SceneFailure> {
  const { context, parameters } = work;
  const { task_id } = context.instance;
  const before = await loadRows(context.em(), task_id);
  if (before.script.length > 0) return before;
  const scenes = await writeScript(work);
  const [problem] = scriptProblems(scenes, parameters);
  if (problem) return { code: 'script_too_long', message: `the scenes ${problem.detail}` };
  await context.fenced((em) => storeScript(em, task_id, scenes));
  await context.log.system(`script: ${scenes.length} scenes`);
  return await loadRows(context.em(), task_id);
}

/** Whether a scene's file is still the one that its row describes. */
async function isStored({ artifacts }: EngineContext, { status, file_path, sha256 }: StoredVideo): Promise<boolean> {
  if (status !== 'completed' || !(await artifacts.stat(file_path))) return false;
  const hash = createHash('sha256');
  await pipeline(await artifacts.open(file_path), hash);
  return hash.digest('hex') === sha256;
}

async function storedScenes(context: EngineContext, videos: readonly StoredVideo[]): Promise<number[]> {
  const done: number[] = [];
  for (const video of videos) if (await isStored(context, video)) done.push(video.scene_number);
  return done;
}

/** Renders what is not stored yet, so many at once as the instance has cores. After the first failure no other scene begins. */
async function renderMissing(studio: Studio, missing: readonly StoredScene[]): Promise<SceneFailure | null> {
  const { context } = studio;
  let failure: SceneFailure | null = null;
  const limit = pLimit(Math.max(1, Math.floor(context.instance.cpu)));
  const render = async (scene: StoredScene): Promise<void> => {
    if (failure || context.signal.aborted) return;
    const failed = await renderScene(studio, scene);
    failure ??= failed;
  };
  const ends = await Promise.allSettled(missing.map((scene) => limit(render, scene)));
  const broken = ends.find((end) => end.status === 'rejected');
  if (broken) throw broken.reason;
  return failure;
}

async function produce(studio: Studio, { script, videos }: Scripted): Promise<Outcome> {
  const { context, progress } = studio;
  const done = await storedScenes(context, videos);
  progress.begin(script.length, done);
  const missing = script.filter(({ scene_number }) => !done.includes(scene_number));
  if (done.length > 0) await context.log.system(`${done.length} of ${script.length} scenes are there already`);
  const failure = await renderMissing(studio, missing);
  if (context.signal.aborted) return stoppedOutcome(context);
  if (failure) return ended('failed', failure);
  const made = await joinScenes(studio, script).catch(joinFailure);
  if (made === null || context.signal.aborted) return stoppedOutcome(context);
  if ('code' in made) return ended('failed', made);
  return completed(made);
}

async function inStudio(work: Work, found: Scripted): Promise<Outcome> {
  const { host, context, parameters } = work;
  const tools = await host.tools();
  if ('missing' in tools) return ended('failed', { code: 'ffmpeg_missing', message: tools.missing });
  const place = await openWorkplace({ worker: host.worker, uid_base: host.config.SHELL_UID_BASE }, context);
  const progress = new VideoProgress(context);
  try {
    return await produce({ host, tools, place, context, parameters, progress, threads: 1 }, found);
  } finally {
    await progress.settle();
    await place.close();
  }
}

/** A writer's failure is the task's; other errors pass. */
function writerFailure(error: unknown): SceneFailure {
  if (error instanceof EngineError && error.details.writer === true) return { code: 'writer_failed', message: error.message };
  throw error;
}

/**
 * Makes a video: script, scenes, joining. What an earlier execution or instance of the task finished is not done again.
 * @throws EngineError superseded: stopped for another execution or by shutdown; faults of the surroundings
 */
export async function runVideo(host: VideoHost, parameters: VideoParameters, context: EngineContext): Promise<Outcome> {
  if (context.signal.aborted) return stoppedOutcome(context);
  const work = { host, parameters, context };
  try {
    const found = await scripted(work).catch(writerFailure);
    if (context.signal.aborted) return stoppedOutcome(context);
    if ('code' in found) return ended('failed', found);
    return await inStudio(work, found);
  } catch (error) {
    if (context.signal.aborted) return stoppedOutcome(context);
    throw error;
  }
}
