import { copyFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { captionsOf } from '../../core/video/captions.ts';
import { drawable } from '../../core/video/glyphs.ts';
import { fitText, type Room } from '../../core/video/layout.ts';
import type { TextLine, TimedLine } from '../../core/video/scene-graph.ts';
import type { Frame } from '../../core/video/script.ts';
import type { Workplace } from '../ffmpeg/workplace.ts';
import { isReachable } from '../shell/home.ts';
import type { UsableFont } from './fonts.ts';
import type { StoredScene } from './rows.ts';

/** A scene's texts as files in the workplace. `notes`: what could not be shown as it was written, for the log. */
export type SceneText = { font: string; lines: TextLine[]; captions: TimedLine[]; notes: string[] };

const LINE_HEIGHT = 1.3;
/** Share of a font's size between the top of a line and its baseline. */
const BASELINE = 0.9;

/** Where the description goes: the middle of the frame; less of it where subtitles take the bottom. */
const descriptionRoom = ({ width, height }: Frame): Room => ({
  width: width * 0.9,
  height: height * 0.62,
  largest: Math.max(10, Math.round(height / 10)),
  smallest: Math.max(8, Math.round(height / 36)),
  line_height: LINE_HEIGHT,
});

const captionRoom = ({ width, height }: Frame): Room => ({
  width: width * 0.92,
  height: height * 0.16,
  largest: Math.max(9, Math.round(height / 20)),
  smallest: Math.max(7, Math.round(height / 40)),
  line_height: LINE_HEIGHT,
});

/** Puts the font where the tools can read it under a plain name, which the filter graph needs. */
async function placeFont(place: Workplace, font: UsableFont): Promise<string> {
  const name = `font${path.extname(font.file).toLowerCase()}`;
  const linked = (await isReachable(font.file)) && (await symlink(path.resolve(font.file), place.file(name)).then(() => true, isThere));
  if (!linked) await copyFile(font.file, place.file(name)).then(() => place.give(name));
  return name;
}

const isThere = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

type Block = { place: Workplace; font: UsableFont; text: string; room: Room; name: string; notes: string[] };

/** Lays a text out and writes each line into a file. `top(height)`: where a block of that height begins, in pixels. */
async function writeBlock({ place, font, text, room, name, notes }: Block, top: (height: number) => number): Promise<TextLine[]> {
  const shown = drawable(text, font.has);
  if (shown.left_out.length > 0) notes.push(`no font has ${shown.left_out.slice(0, 10).join(' ')}: left out`);
  const { font_size, lines, cut } = fitText(shown.text, room, font.width);
  if (cut) notes.push('the text is too long for its frame: its end is not shown');
  const start = top(lines.length * font_size * LINE_HEIGHT);
  const placed = lines.map((line, i) => ({
    line,
    file: `${name}-${i + 1}.txt`,
    font_size,
    baseline: Math.round(start + font_size * (i * LINE_HEIGHT + BASELINE)),
  }));
  const visible = placed.filter(({ line }) => line.trim() !== '');
  for (const { file, line } of visible) {
    await writeFile(place.file(file), line, { mode: 0o600 });
    await place.give(file);
  }
  return visible.map(({ file, font_size: size, baseline }) => ({ file, font_size: size, baseline }));
}

type Writing = { place: Workplace; font: UsableFont; scene: StoredScene; frame: Frame; subtitles: boolean };

/** Writes what a scene shows: its description, and its spoken text as subtitles. */
export async function writeSceneText({ place, font, scene, frame, subtitles }: Writing): Promise<SceneText> {
  const notes: string[] = [];
  const spoken = subtitles && scene.voice_text !== null ? captionsOf(scene.voice_text, scene.duration) : [];
  const base = { place, font, notes };
  const middle = frame.height * (spoken.length > 0 ? 0.42 : 0.5);
  const lines = await writeBlock(
    { ...base, text: scene.description, room: descriptionRoom(frame), name: `text-${scene.scene_number}` },
    (height) => middle - height / 2,
  );
  const captions: TimedLine[] = [];
  for (const [i, { text, from_s, to_s }] of spoken.entries()) {
    const block = { ...base, text, room: captionRoom(frame), name: `caption-${scene.scene_number}-${i + 1}` };
    const placed = await writeBlock(block, (height) => frame.height * 0.95 - height);
    captions.push(...placed.map((line) => ({ ...line, from_s, to_s })));
  }
  return { font: await placeFont(place, font), lines, captions, notes };
}
