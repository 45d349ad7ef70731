import type { Frame } from './script.ts';

/** What a finished file holds. `frames`: of its picture. */
export type Probed = { duration_s: number; width: number; height: number; fps: number; frames: number; has_sound: boolean; codec: string };

/** The arguments with which ffprobe describes a file of ours as JSON. */
export const probeArguments = (file: string): string[] => [
  ...['-v', 'error', '-protocol_whitelist', 'file,pipe', '-f', 'mov'],
  ...['-show_entries', 'stream=codec_type,codec_name,width,height,nb_frames,r_frame_rate:format=duration', '-of', 'json', file],
];

function rate(text: string | undefined): number {
  const [over = '0', under = '1'] = (text ?? '').split('/');
  const value = Number(over) / Number(under);
  return Number.isFinite(value) ? value : 0;
}

type Stream = { codec_type?: string; codec_name?: string; width?: number; height?: number; nb_frames?: string; r_frame_rate?: string };

/** What ffprobe said; null when it is not about a video. */
export function readProbe(json: string): Probed | null {
  let parsed: { streams?: Stream[]; format?: { duration?: string } } | null;
  try {
    parsed = JSON.parse(json) as typeof parsed;
  } catch {
    return null;
  }
  const picture = parsed?.streams?.find(({ codec_type }) => codec_type === 'video');
  const duration_s = Number(parsed?.format?.duration);
  if (!picture || !Number.isFinite(duration_s)) return null;
  return {
    duration_s,
    width: picture.width ?? 0,
    height: picture.height ?? 0,
    fps: rate(picture.r_frame_rate),
    frames: Number(picture.nb_frames ?? 0),
    has_sound: parsed?.streams?.some(({ codec_type }) => codec_type === 'audio') ?? false,
    codec: picture.codec_name ?? '',
  };
}

/** Why a file is not what was asked for, in one sentence; null when it is. `tolerance_s`: by how much its length may differ. */
export function probeProblem(
  found: Probed | null,
  wanted: Frame & { duration_s: number; frames: number; tolerance_s: number },
): string | null {
  if (!found) return 'the file holds no video';
  if (!found.has_sound) return 'the file has no sound track';
  if (found.width !== wanted.width || found.height !== wanted.height) {
    return `the file is ${found.width}×${found.height}, expected ${wanted.width}×${wanted.height}`;
  }
  if (found.frames !== wanted.frames) return `the file has ${found.frames} frames, expected ${wanted.frames}`;
  if (Math.abs(found.duration_s - wanted.duration_s) > wanted.tolerance_s) {
    return `the file lasts ${found.duration_s} s, expected ${wanted.duration_s} s ± ${wanted.tolerance_s} s`;
  }
  return null;
}
