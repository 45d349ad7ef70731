import { type CameraMovement, type Scene, VIDEO_LIMITS } from './script.ts';
import { lightingIn } from './synonyms.ts';

/** What a script is to be written for. `scenes` null: as many as the prompt has thoughts, three to eight. `scene_duration` in seconds. */
export type WritingWish = { prompt: string; scenes: number | null; scene_duration: number };

const FEWEST = 3;
const MOST = 8;
const SENTENCE = /[^。！？!?；;\n.]+(?:\.(?=\S)[^。！？!?；;\n.]+)*[。！？!?；;.]*/gu;
const CLAUSE = /[^，,、：:]+[，,、：:]?/gu;
const CYCLE: readonly CameraMovement[] = ['zoom_in', 'pan_right', 'zoom_out', 'pan_left', 'static'];
const SHOTS = {
  latin: ['wide view', 'close-up', 'from above', 'seen from the side', 'detail', 'in motion', 'at a distance'],
  han: ['远景', '特写', '俯瞰', '侧面', '细节', '动态', '远望'],
};

/** Pieces of a text that read alone, none empty. */
function pieces(text: string, pattern: RegExp): string[] {
  return (text.match(pattern) ?? []).map((piece) => piece.trim()).filter((piece) => /[\p{L}\p{N}]/u.test(piece));
}

/** The thoughts of a prompt: its sentences, or its clauses where those are more and wanted. */
function thoughts(prompt: string, wanted: number): string[] {
  const sentences = pieces(prompt, SENTENCE);
  const parts = sentences.length >= wanted ? sentences : sentences.flatMap((sentence) => pieces(sentence, CLAUSE));
  return parts.length === 0 ? [prompt.trim()] : parts;
}

/** Neighbours put together until there are `count` groups, of sizes as equal as can be. */
function grouped(parts: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * parts.length) / count);
    const to = Math.floor(((i + 1) * parts.length) / count);
    return parts.slice(from, to).join(' ');
  });
}

/** More scenes than thoughts: each thought is shown again from another side. */
function repeated(parts: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const thought = parts[Math.floor((i * parts.length) / count)] ?? '';
    const first = Math.ceil((Math.floor((i * parts.length) / count) * count) / parts.length);
    const again = i - first;
    if (again === 0) return thought;
    const shots = /\p{Script=Han}/u.test(thought) ? SHOTS.han : SHOTS.latin;
    const mark = shots === SHOTS.han ? '：' : ': ';
    return `${shots[(again - 1) % shots.length]}${mark}${thought}`;
  });
}

function countFor(wish: WritingWish, found: number): number {
  return wish.scenes ?? Math.min(MOST, Math.max(FEWEST, found));
}

/**
 * Writes a script without any model: sentences and clauses of the prompt become scenes, camera movements alternate, lighting follows the words.
 * The same wish always gives the same script, so it serves as a test's writer too. Nothing of the prompt is reworded.
 */
export function writeScenes(wish: WritingWish): Scene[] {
  const parts = thoughts(wish.prompt, wish.scenes ?? FEWEST);
  const count = countFor(wish, parts.length);
  const texts = parts.length >= count ? grouped(parts, count) : repeated(parts, count);
  return texts.map((text, i) => ({
    description: cut(text, VIDEO_LIMITS.description),
    duration: wish.scene_duration,
    camera_movement: CYCLE[i % CYCLE.length] ?? 'static',
    lighting: lightingIn(text) ?? 'normal',
    voice_text: null,
    color: null,
    picture: null,
  }));
}

/** At most `max` UTF-16 units, without tearing a character. */
const cut = (text: string, max: number): string =>
  text.length <= max
    ? text
    : text
        .slice(0, max)
        .toWellFormed()
        .replace(/\uFFFD$/, '');
