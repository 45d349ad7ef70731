import path from 'node:path';
import { z } from 'zod';
import { CAMERA_MOVEMENTS, LIGHTINGS, type Scene, scriptProblems, VIDEO_LIMITS } from '../../core/video/script.ts';
import { text } from '../../schemas/limits.ts';

const said = (max: number) => text(max).refine((value) => value.trim() !== '', 'must not be blank');
const even = (z_int: z.ZodInt) => z_int.refine((value) => value % 2 === 0, 'must be even');
const Side = even(z.int().min(64).max(VIDEO_LIMITS.side));
const Seconds = z.int().min(1).max(VIDEO_LIMITS.scene_s);

/** True when a relative path cannot lead out of its folder by its words alone. */
const staysBelow = (value: string): boolean => {
  const normal = path.posix.normalize(value);
  return !path.posix.isAbsolute(normal) && normal !== '..' && !normal.startsWith('../') && !value.includes('\\');
};

/** One scene as users write it. */
export const SceneInput = z.strictObject({
  description: said(VIDEO_LIMITS.description).describe('shown as the text of the scene, as it is'),
  duration: Seconds.optional().describe('whole seconds; default: scene_duration'),
  camera_movement: z.enum(CAMERA_MOVEMENTS).default('static'),
  lighting: z.enum(LIGHTINGS).default('normal'),
  voice_text: said(VIDEO_LIMITS.description)
    .nullable()
    .default(null)
    .describe('spoken where the worker has a voice, and shown as subtitles'),
  color: z
    .string()
    .regex(/^#[0-9A-Fa-f]{6}$/, 'must be a colour such as #336699')
    .nullable()
    .default(null)
    .describe('background without a picture; default: chosen from the description'),
  picture: text(255)
    .min(1)
    .refine(staysBelow, 'must be a relative path below the folder of pictures')
    .nullable()
    .default(null)
    .describe('PNG, JPEG, WebP or BMP below the folder of pictures that the worker is configured with'),
});

const ModelWriter = z.strictObject({
  kind: z.literal('openai'),
  base_url: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .describe('of an OpenAI-compatible API, up to and including /v1'),
  model: text(200).min(1),
  api_key: z
    .strictObject({ secret: z.string().min(1).max(200) })
    .nullable()
    .default(null)
    .describe('named secret that is bound to the host; null: none is sent'),
});

/** Who writes the script of a prompt: the built-in writer, which works offline and always writes the same, or a model. */
export const SceneWriter = z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('builtin') }), ModelWriter]);
export type ModelWriter = z.output<typeof ModelWriter>;

/** The fields of a video, without their defaults: a submission leaves those to the template. */
export const VIDEO_FIELDS = {
  prompt: said(VIDEO_LIMITS.prompt).optional().describe('what the video is about; without `scenes` a script is written for it'),
  scenes: z.array(SceneInput).min(1).max(VIDEO_LIMITS.scenes).optional().describe('the script, when it is written already'),
  scene_count: z.int().min(1).max(20).optional().describe('scenes to write for the prompt; default: as the writer likes'),
  scene_duration: Seconds.describe('seconds of a scene that does not say; default: 4'),
  width: Side.describe('pixels, even; default: 640'),
  height: Side.describe('pixels, even; default: 360'),
  fps: z.int().min(1).max(60).describe('frames a second; default: 24'),
  voice: z
    .enum(['none', 'auto', 'required'])
    .describe('`auto` (default): spoken where the worker has espeak-ng; `required`: fails where it has not'),
  subtitles: z.boolean().describe('whether spoken texts are shown too; default: true'),
  writer: SceneWriter.describe('who writes the script of a prompt; default: the built-in writer'),
};

const AllFields = z.strictObject({
  ...VIDEO_FIELDS,
  scene_duration: VIDEO_FIELDS.scene_duration.default(4),
  width: VIDEO_FIELDS.width.default(640),
  height: VIDEO_FIELDS.height.default(360),
  fps: VIDEO_FIELDS.fps.default(24),
  voice: VIDEO_FIELDS.voice.default('auto'),
  subtitles: VIDEO_FIELDS.subtitles.default(true),
  writer: VIDEO_FIELDS.writer.default({ kind: 'builtin' }),
});
type Fields = z.output<typeof AllFields>;

/** What one field alone does not show. */
function checkVideo(video: Fields, ctx: z.core.$RefinementCtx): void {
  const refuse = (field: string, message: string) => ctx.addIssue({ code: 'custom', message, path: [field] });
  if (video.prompt === undefined && video.scenes === undefined) refuse('prompt', 'expected a prompt or scenes');
  if (video.scenes && video.scene_count !== undefined) refuse('scene_count', 'is for prompts; the scenes are given');
  const planned = video.scenes ?? Array.from({ length: video.scene_count ?? 1 }, () => ({ duration: video.scene_duration }));
  const scenes = planned.map(({ duration }) => ({ duration: duration ?? video.scene_duration }));
  for (const { pointer, detail } of scriptProblems(scenes, video)) refuse(pointer.slice(1), detail);
}

/** Parameters of a video task. Sizes in pixels, durations in seconds. */
export const VideoParameters = AllFields.superRefine(checkVideo);
export type VideoParameters = z.output<typeof VideoParameters>;

/** The finished video: key in the artifact store, what ffprobe found, bytes and SHA-256. */
export const VideoResult = z.strictObject({
  video_path: z.string(),
  thumbnail_path: z.string().nullable(),
  duration_s: z.number().positive(),
  frames: z.int().positive(),
  width: z.int(),
  height: z.int(),
  fps: z.number(),
  scenes: z.int().positive(),
  size_bytes: z.int().positive(),
  sha256: z.string(),
});
export type VideoResult = z.output<typeof VideoResult>;

/** The scenes that the user wrote; null when a writer is to. */
export function givenScenes({ scenes, scene_duration }: VideoParameters): Scene[] | null {
  return (
    scenes?.map((scene) => ({ ...scene, duration: scene.duration ?? scene_duration, color: scene.color?.toLowerCase() ?? null })) ?? null
  );
}
