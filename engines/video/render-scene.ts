import { setTimeout as pause } from 'node:timers/promises';
import { EngineError } from '../../core/errors.ts';
import type { ToolFailure } from '../../core/ffmpeg/failure.ts';
import { colorFor } from '../../core/video/palette.ts';
import { type Probed, probeProblem } from '../../core/video/probe.ts';
import { type Backdrop, sceneArguments, thumbnailArguments } from '../../core/video/scene-graph.ts';
import { framesOf } from '../../core/video/script.ts';
import type { UsableFont } from './fonts.ts';
import { takePicture } from './pictures.ts';
import { beginScene, completeScene, failScene, type StoredScene } from './rows.ts';
import { writeSceneText } from './scene-text.ts';
import { storeFile } from './store-file.ts';
import { keyOf, probe, runFfmpeg, type Studio, sceneName } from './studio.ts';
import { type Speech, speak } from './voice.ts';

/** Why a scene, and with it the video, cannot be made. */
export type SceneFailure = { code: string; message: string };

const TRIES = 3;
const DISK_PAUSE_MS = 5_000;
const SCENE_TOLERANCE_S = 0.1;

const failureCode = (code: ToolFailure['code']): string => (code === 'stalled' || code === 'killed' ? `ffmpeg_${code}` : code);

/** The font for a scene's text. @throws EngineError invalid_input: no font has some of its characters */
async function fontFor({ host }: Studio, scene: StoredScene): Promise<UsableFont> {
  const choice = await host.fonts.choose(`${scene.description}\n${scene.voice_text ?? ''}`);
  if ('font' in choice) return choice.font;
  const shown = choice.missing
    .slice(0, 10)
    .map((character) => `${character} (U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()})`);
  const advice = 'install a font that has them, such as fonts-wqy-zenhei, or name one by VIDEO_FONT';
  throw new EngineError('invalid_input', `no font of this worker has ${shown.join(', ')}: ${advice}`, {
    details: { code: 'font_missing' },
  });
}

async function backdropFor({ place, host }: Studio, scene: StoredScene): Promise<Backdrop> {
  if (scene.picture === null) return { color: scene.color ?? colorFor(scene.description) };
  return await takePicture(place, { root: host.config.VIDEO_PICTURES_DIR, picture: scene.picture, name: `picture-${scene.scene_number}` });
}

/** @throws EngineError invalid_input: a voice is required and there is none */
async function voiceFor({ place, context, parameters }: Studio, scene: StoredScene): Promise<Speech | null> {
  if (parameters.voice === 'none') return null;
  const { speech, problem } = await speak(place, scene, context.signal);
  if (problem === null || context.signal.aborted) return speech;
  if (parameters.voice === 'required')
    throw new EngineError('invalid_input', `voice: ${problem}`, { details: { code: 'voice_unavailable' } });
  await context.log.system(`scene ${scene.scene_number}: no voice, ${problem}`);
  return null;
}

/** Everything that a scene needs as files, and the arguments that use them. */
async function prepare(studio: Studio, scene: StoredScene): Promise<string[]> {
  const { place, parameters, context, threads } = studio;
  const font = await fontFor(studio, scene);
  const text = await writeSceneText({ place, font, scene, frame: parameters, subtitles: parameters.subtitles });
  for (const note of text.notes) await context.log.system(`scene ${scene.scene_number}: ${note}`);
  const { width, height, fps } = parameters;
  const { duration, camera_movement, lighting } = scene;
  const voice = await voiceFor(studio, scene);
  const backdrop = await backdropFor(studio, scene);
  const output = sceneName(scene.scene_number, 'mp4');
  return sceneArguments({ width, height, fps, duration, camera_movement, lighting, backdrop, voice, ...text, threads, output });
}

/** One attempt. @returns what was made, or why it failed */
async function attempt(studio: Studio, scene: StoredScene, argv: readonly string[]): Promise<Probed | ToolFailure> {
  const { parameters, progress } = studio;
  const frames = framesOf(scene.duration, parameters.fps);
  const failure = await runFfmpeg(studio, argv, ({ frame }) => progress.part(scene.scene_number, (frame ?? 0) / frames));
  if (failure) return failure;
  const found = await probe(studio, sceneName(scene.scene_number, 'mp4'));
  const { width, height, fps } = parameters;
  const wanted = { width, height, fps, frames, duration_s: scene.duration, tolerance_s: SCENE_TOLERANCE_S };
  const problem = probeProblem(found, wanted);
  return found && problem === null ? found : { code: 'tool_failed', message: problem ?? 'no video', retryable: true };
}

/** A picture of the scene's middle, stored; null when it could not be made, which fails nothing. */
async function thumbnail(studio: Studio, scene: StoredScene): Promise<string | null> {
  const name = sceneName(scene.scene_number, 'jpg');
  const failure = await runFfmpeg(studio, thumbnailArguments(sceneName(scene.scene_number, 'mp4'), scene.duration / 2, name));
  if (failure) await studio.context.log.system(`scene ${scene.scene_number}: no thumbnail, ${failure.message}`);
  return failure ? null : (await storeFile(studio, name, name)).key;
}

async function store(studio: Studio, scene: StoredScene, made: Probed): Promise<void> {
  const { context, progress } = studio;
  const { scene_number } = scene;
  const thumbnail_path = await thumbnail(studio, scene);
  const { size, sha256 } = await storeFile(studio, sceneName(scene_number, 'mp4'), sceneName(scene_number, 'mp4'));
  const { width, height, frames } = made;
  const done = { task_id: context.instance.task_id, scene_number, file_size: size, sha256, thumbnail_path };
  progress.finish(scene_number);
  const row = { ...done, duration: made.duration_s, width, height, fps: Math.round(made.fps), frames };
  await context.fenced((em) => completeScene(em, row, progress.percent));
  await context.log.system(`scene ${scene_number}: ${frames} frames, ${made.duration_s} s, ${size} bytes`);
}

async function giveUp({ context }: Studio, { scene_number }: StoredScene, failure: SceneFailure): Promise<SceneFailure> {
  const { task_id } = context.instance;
  await context.fenced((em) => failScene(em, { task_id, scene_number, message: failure.message }));
  return { code: failure.code, message: `scene ${scene_number}: ${failure.message}` };
}

/** Errors that the scene brought with it, as a failure; all others are the surroundings' and pass. */
function ownFailure(error: unknown): SceneFailure {
  if (error instanceof EngineError && (error.code === 'invalid_input' || error.code === 'quota_exceeded')) {
    const code = error.code === 'quota_exceeded' ? 'storage_full' : String(error.details.code ?? error.code);
    return { code, message: error.message };
  }
  throw error;
}

/** One attempt from its row to the stored file. @returns why it failed; null when the scene is done, or the run was told to stop */
async function once(studio: Studio, scene: StoredScene): Promise<ToolFailure | null> {
  const { context } = studio;
  const { scene_number } = scene;
  const row = {
    task_id: context.instance.task_id,
    scene_number,
    file_path: keyOf(context.instance.task_id, sceneName(scene_number, 'mp4')),
  };
  const attempts = await context.fenced((em) => beginScene(em, row));
  await context.log.system(`scene ${scene_number}: attempt ${attempts}`);
  const made = await attempt(studio, scene, await prepare(studio, scene));
  if (context.signal.aborted) return null;
  if ('retryable' in made) return made;
  await store(studio, scene, made);
  return null;
}

/** A full disk may be emptied meanwhile; other failures are not worth waiting for. */
async function rest({ context }: Studio, { code }: ToolFailure): Promise<void> {
  if (code === 'disk_full') await pause(DISK_PAUSE_MS, undefined, { signal: context.signal }).catch(() => undefined);
}

async function tryRendering(studio: Studio, scene: StoredScene): Promise<SceneFailure | null> {
  for (let tries = 1; ; tries += 1) {
    const failure = await once(studio, scene);
    if (failure === null) return null;
    await studio.context.log.system(`scene ${scene.scene_number}: ${failure.message}`);
    if (!failure.retryable || tries === TRIES) return { code: failureCode(failure.code), message: failure.message };
    await rest(studio, failure);
    if (studio.context.signal.aborted) return null;
  }
}

/**
 * Renders one scene and stores it: to a name of its own first, then into the store in one step, then its row. Attempts that may succeed when repeated
 * are, twice.
 * @returns why it failed; null when it is done, or the run was told to stop
 * @throws faults of the surroundings, and superseded
 */
export async function renderScene(studio: Studio, scene: StoredScene): Promise<SceneFailure | null> {
  let failure: SceneFailure | null;
  try {
    failure = await tryRendering(studio, scene);
  } catch (error) {
    failure = ownFailure(error);
  }
  return failure && (await giveUp(studio, scene, failure));
}
