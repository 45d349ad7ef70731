import { readFile, writeFile } from 'node:fs/promises';
import { toolFailure } from '../../core/ffmpeg/failure.ts';
import { wavDuration } from '../../core/video/wav.ts';
import { commandOnPath } from '../ffmpeg/find-tools.ts';
import { runTool } from '../ffmpeg/run-tool.ts';
import type { Workplace } from '../ffmpeg/workplace.ts';
import type { StoredScene } from './rows.ts';

/** A spoken text as a WAV file in the workplace, `tempo` times as fast as spoken so that it fits its scene. */
export type Speech = { file: string; tempo: number };
/** Null: nothing is to be said, or it could not be; `problem` says why not. */
export type Spoken = { speech: Speech | null; problem: string | null };

const LONGEST_S = 60;
const FASTEST = 4;

/** espeak-ng's name for the language of a text: Chinese where there are Chinese characters, else English. */
const voiceFor = (text: string): string => (/\p{Script=Han}/u.test(text) ? 'cmn' : 'en');

/** Whether this machine can speak. */
export const findVoice = async (): Promise<string | null> => await commandOnPath('espeak-ng');

/** Speaks a scene's text. It may last a little less than the scene; a longer one is sped up, at most fourfold, and then cut. */
export async function speak(place: Workplace, scene: StoredScene, signal: AbortSignal): Promise<Spoken> {
  if (scene.voice_text === null) return { speech: null, problem: null };
  const program = await findVoice();
  if (program === null) return { speech: null, problem: 'this worker has no espeak-ng' };
  const [input, file] = [`speech-${scene.scene_number}.txt`, `voice-${scene.scene_number}.wav`];
  await writeFile(place.file(input), scene.voice_text, { mode: 0o600 });
  await place.give(input);
  const argv = ['-v', voiceFor(scene.voice_text), '-b', '1', '-w', file, '-f', input];
  const exit = await runTool({ file: program, argv, cwd: place.folder, owner: place.owner, signal, stall_s: LONGEST_S });
  const failure = toolFailure('espeak-ng', exit);
  if (failure) return { speech: null, problem: failure.message };
  const seconds = wavDuration(await readFile(await place.receive(file)));
  await place.give(file);
  if (seconds === null) return { speech: null, problem: 'espeak-ng made no sound' };
  return { speech: { file, tempo: Math.min(FASTEST, Math.max(1, seconds / (scene.duration - 0.05))) }, problem: null };
}
