import { type Scene, VIDEO_LIMITS } from './script.ts';
import { lightingIn, movementIn } from './synonyms.ts';

/** The scenes that a model's answer holds, or one sentence on why it holds none. */
export type ModelAnswer = { scenes: Scene[] } | { problem: string };

/** The outermost JSON value in a text that may be wrapped in words or a code fence. */
function jsonIn(text: string): unknown {
  const starts = [text.indexOf('{'), text.indexOf('[')].filter((at) => at >= 0);
  const from = Math.min(...starts);
  const to = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'));
  if (!Number.isFinite(from) || to < from) return undefined;
  try {
    return JSON.parse(text.slice(from, to + 1)) as unknown;
  } catch {
    return undefined;
  }
}

const listIn = (value: unknown): unknown => (Array.isArray(value) ? value : (value as { scenes?: unknown } | null | undefined)?.scenes);
const textIn = (value: unknown): string => (typeof value === 'string' ? value.replaceAll('\0', '').toWellFormed().trim() : '');

function durationIn(value: unknown, otherwise: number): number {
  const seconds = Math.round(Number(value));
  return Number.isFinite(seconds) && seconds >= 1 ? Math.min(seconds, VIDEO_LIMITS.scene_s) : otherwise;
}

function sceneIn(value: unknown, scene_duration: number): Scene | null {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const description = textIn(given.description);
  if (description === '') return null;
  const voice = textIn(given.voice_text);
  const color = textIn(given.color).toLowerCase();
  return {
    description: description.slice(0, VIDEO_LIMITS.description).toWellFormed(),
    duration: durationIn(given.duration, scene_duration),
    camera_movement: movementIn(textIn(given.camera_movement)) ?? 'static',
    lighting: lightingIn(textIn(given.lighting)) ?? 'normal',
    voice_text: voice === '' ? null : voice.slice(0, VIDEO_LIMITS.description).toWellFormed(),
    color: /^#[0-9a-f]{6}$/.test(color) ? color : null,
    picture: null,
  };
}

/**
 * Reads a model's script: an array of scenes, or an object with `scenes`, wherever in the text. Free words for movement and lighting are understood;
 * a model can name no picture, since that would be a file of this machine.
 * @param wanted how many scenes were asked for; null: any number up to the limit
 */
export function readModelAnswer(text: string, { wanted, scene_duration }: { wanted: number | null; scene_duration: number }): ModelAnswer {
  const list = listIn(jsonIn(text));
  if (!Array.isArray(list)) return { problem: 'the answer holds no JSON array of scenes' };
  if (list.length === 0 || list.length > VIDEO_LIMITS.scenes) {
    return { problem: `the answer has ${list.length} scenes, expected 1 to ${VIDEO_LIMITS.scenes}` };
  }
  if (wanted !== null && list.length !== wanted) return { problem: `the answer has ${list.length} scenes, expected ${wanted}` };
  const scenes = list.map((value) => sceneIn(value, scene_duration));
  const bad = scenes.indexOf(null);
  if (bad >= 0) return { problem: `scene ${bad + 1} of the answer has no description` };
  return { scenes: scenes as Scene[] };
}
