import type { FieldProblem } from '../errors.ts';

/** How the camera moves over a scene's picture. */
export const CAMERA_MOVEMENTS = ['static', 'zoom_in', 'zoom_out', 'pan_left', 'pan_right', 'pan_up', 'pan_down'] as const;
export type CameraMovement = (typeof CAMERA_MOVEMENTS)[number];

/** How a scene is lit. */
export const LIGHTINGS = ['normal', 'bright', 'dark', 'warm', 'cold', 'night', 'dramatic'] as const;
export type Lighting = (typeof LIGHTINGS)[number];

/**
 * One scene of a script. `duration`: whole seconds. `color`: `#rrggbb` behind the text where there is no picture; null: chosen from the description.
 * `picture`: name of a file below a configured folder. `voice_text`: spoken, and shown as subtitle.
 */
export type Scene = {
  description: string;
  duration: number;
  camera_movement: CameraMovement;
  lighting: Lighting;
  voice_text: string | null;
  color: string | null;
  picture: string | null;
};

/** Size and rate of a video: pixels, both even, and frames a second. */
export type Frame = { width: number; height: number; fps: number };

/** What one video may be at most: characters, seconds, pixels drawn in all (a minute of full HD at 60 frames a second is 7.5 thousand million). */
export const VIDEO_LIMITS = {
  scenes: 50,
  scene_s: 60,
  total_s: 600,
  description: 2_000,
  prompt: 4_000,
  side: 1_920,
  pixels: 40_000_000_000,
} as const;

/** How many frames a scene has. */
export const framesOf = (duration_s: number, fps: number): number => Math.round(duration_s * fps);

/** Seconds of all scenes together. */
export const totalDuration = (scenes: readonly Pick<Scene, 'duration'>[]): number =>
  scenes.reduce((sum, { duration }) => sum + duration, 0);

/** What is wrong with a script as a whole, whose scenes are each well formed. Pointers start at the parameters. */
export function scriptProblems(scenes: readonly Pick<Scene, 'duration'>[], { width, height, fps }: Frame): FieldProblem[] {
  const total = totalDuration(scenes);
  if (total > VIDEO_LIMITS.total_s) {
    return [{ pointer: '/scenes', detail: `last ${total} s together, expected at most ${VIDEO_LIMITS.total_s} s` }];
  }
  const pixels = width * height * framesOf(total, fps);
  if (pixels > VIDEO_LIMITS.pixels) {
    const detail = `${width}×${height} at ${fps} frames a second for ${total} s is more than one video may be: lower size, rate or duration`;
    return [{ pointer: '/scenes', detail }];
  }
  return [];
}
