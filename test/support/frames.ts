import { execFileSync, spawnSync } from 'node:child_process';
import { findTools } from '../../engines/ffmpeg/find-tools.ts';
import { FontFinder } from '../../engines/video/fonts.ts';

const tools = await findTools({ FFMPEG_PATH: undefined, FFPROBE_PATH: undefined }, { encoders: [], filters: [] });
if ('missing' in tools) throw new Error(tools.missing);
export const { ffmpeg, ffprobe } = tools;

/** Whether this machine has a font for Chinese; on CI it must. */
export const hasChineseFont = process.env.CI !== undefined || 'font' in (await new FontFinder(undefined).choose('森林探险'));

/** A frame as brightness, row by row. */
export type Frame = { width: number; height: number; light: Uint8Array };

/** The frame of a video at `at_s` seconds, decoded by the ffmpeg that the engine uses too. */
export function frameOf(file: string, at_s: number, { width, height }: { width: number; height: number }): Frame {
  const argv = ['-v', 'error', '-ss', String(at_s), '-i', file, '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
  return { width, height, light: execFileSync(ffmpeg, argv, { maxBuffer: 1e8 }) };
}

/** Mean brightness, 0–255. */
export const brightness = ({ light }: Frame): number => light.reduce((sum, value) => sum + value, 0) / light.length;

/** How much two frames differ: mean difference of their pixels. */
export const difference = (a: Frame, b: Frame): number =>
  a.light.reduce((sum, value, i) => sum + Math.abs(value - (b.light[i] ?? 0)), 0) / a.light.length;

/** The box around what is nearly white (text is), or null where nothing is. */
export function inkBox({ width, light }: Frame): { left: number; right: number; top: number; bottom: number } | null {
  const at = [...light.entries()].filter(([, value]) => value > 200).map(([i]) => i);
  if (at.length === 0) return null;
  const columns = at.map((i) => i % width);
  const rows = at.map((i) => Math.floor(i / width));
  const least = (values: number[]) => values.reduce((a, b) => Math.min(a, b));
  const most = (values: number[]) => values.reduce((a, b) => Math.max(a, b));
  return { left: least(columns), right: most(columns), top: least(rows), bottom: most(rows) };
}

type Stream = { codec_type: string; nb_frames: string; width?: number };
/** What ffprobe says of a file. */
export function probeFile(file: string): { duration: number; streams: Stream[] } {
  const argv = ['-v', 'error', '-show_entries', 'stream=codec_type,nb_frames,width:format=duration', '-of', 'json', file];
  const { streams, format } = JSON.parse(execFileSync(ffprobe, argv, { encoding: 'utf8' })) as {
    streams: Stream[];
    format: { duration: string };
  };
  return { duration: Number(format.duration), streams };
}

/** Loudest sample of a file's sound, in dB; -91 is silence. */
export function loudness(file: string): number {
  const argv = ['-hide_banner', '-i', file, '-af', 'volumedetect', '-f', 'null', '-'];
  const { stderr } = spawnSync(ffmpeg, argv, { encoding: 'utf8' });
  return Number(/max_volume: (-?[\d.]+) dB/.exec(stderr)?.[1] ?? -91);
}
