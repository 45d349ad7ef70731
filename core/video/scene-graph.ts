import { type CameraMovement, type Frame, framesOf, type Lighting } from './script.ts';

/** A line of text: the file that holds it, font size, and where its baseline is, in pixels. */
export type TextLine = { file: string; font_size: number; baseline: number };
/** A subtitle's line, with seconds from when to when. */
export type TimedLine = TextLine & { from_s: number; to_s: number };

/** What is behind the text: a plain colour (`#rrggbb`), or a picture's file and decoder. */
export type Backdrop = { color: string } | { picture: string; decoder: 'png' | 'mjpeg' | 'webp' | 'bmp' };

/** All that one scene needs. Files are plain names in ffmpeg's working folder, so nothing in the graph needs quoting. `voice_tempo`: 1 is as spoken. */
export type SceneJob = Frame & {
  duration: number;
  backdrop: Backdrop;
  camera_movement: CameraMovement;
  lighting: Lighting;
  font: string;
  lines: readonly TextLine[];
  captions: readonly TimedLine[];
  voice: { file: string; tempo: number } | null;
  threads: number;
  output: string;
};

const SAMPLE_RATE = 48_000;
const AAC_FRAME = 1_024;
/** How much is seen beyond the frame when the camera moves. */
const ZOOM = 0.25;

const CENTRE = { x: '(iw-iw/zoom)/2', y: '(ih-ih/zoom)/2' };

/** Zoom and place of the view, of output frame `on` of `n`. */
function viewOf(movement: CameraMovement, n: number): { z: string; x: string; y: string } {
  const share = `on/${Math.max(1, n - 1)}`;
  const near = String(1 + ZOOM);
  const views: Record<CameraMovement, { z: string; x: string; y: string }> = {
    static: { z: '1', x: '0', y: '0' },
    zoom_in: { z: `1+${ZOOM}*${share}`, ...CENTRE },
    zoom_out: { z: `${near}-${ZOOM}*${share}`, ...CENTRE },
    pan_right: { z: near, x: `(iw-iw/zoom)*${share}`, y: CENTRE.y },
    pan_left: { z: near, x: `(iw-iw/zoom)*(1-${share})`, y: CENTRE.y },
    pan_down: { z: near, x: CENTRE.x, y: `(ih-ih/zoom)*${share}` },
    pan_up: { z: near, x: CENTRE.x, y: `(ih-ih/zoom)*(1-${share})` },
  };
  return views[movement];
}

const LIGHT: Record<Lighting, string[]> = {
  normal: [],
  bright: ['eq=brightness=0.12:saturation=1.1'],
  dark: ['eq=brightness=-0.18:saturation=0.9'],
  warm: ['colorbalance=rs=0.15:rm=0.12:bs=-0.12:bm=-0.1', 'eq=brightness=0.03:saturation=1.1'],
  cold: ['colorbalance=rs=-0.12:rm=-0.1:bs=0.15:bm=0.12'],
  night: ['colorbalance=bs=0.1:bm=0.08', 'eq=brightness=-0.25:saturation=0.7'],
  dramatic: ['eq=contrast=1.35:brightness=-0.04:saturation=1.15', 'vignette=PI/4'],
};

/** A still somewhat larger than the frame, since zoompan moves by whole pixels of its input. */
function still({ backdrop, camera_movement, width, height }: SceneJob): string[] {
  const factor = camera_movement === 'static' ? 1 : 2;
  const [w, h] = [width * factor, height * factor];
  if ('picture' in backdrop)
    return ['trim=end_frame=1', `scale=${w}:${h}:force_original_aspect_ratio=increase`, `crop=${w}:${h}`, 'format=rgb24'];
  const shade = (channel: string) => `${channel}='${channel}(X,Y)*(1.25-0.5*Y/H)'`;
  return ['trim=end_frame=1', 'format=rgb24', `geq=${['r', 'g', 'b'].map(shade).join(':')}`, `scale=${w}:${h}`];
}

function moving(job: SceneJob): string {
  const n = framesOf(job.duration, job.fps);
  const { z, x, y } = viewOf(job.camera_movement, n);
  return `zoompan=z='${z}':x='${x}':y='${y}':d=${n}:s=${job.width}x${job.height}:fps=${job.fps}`;
}

function drawn(font: string, line: TextLine, when: string): string {
  const border = Math.max(1, Math.round(line.font_size / 18));
  return [
    `drawtext=fontfile=${font}:textfile=${line.file}:expansion=none:fontsize=${line.font_size}:fontcolor=white`,
    `borderw=${border}:bordercolor=black@0.7:x=(w-text_w)/2:y=${line.baseline}-ascent${when}`,
  ].join(':');
}

function pictureChain(job: SceneJob): string {
  const lines = job.lines.map((line) => drawn(job.font, line, ''));
  const captions = job.captions.map((line) => drawn(job.font, line, `:enable='between(t,${line.from_s},${line.to_s})'`));
  return [...still(job), moving(job), ...LIGHT[job.lighting], ...lines, ...captions, 'setsar=1', 'format=yuv420p'].join(',');
}

/** A tempo as filters, each of which takes 0.5 to 2. */
function tempoChain(tempo: number): string[] {
  if (Math.abs(tempo - 1) < 0.01) return [];
  return tempo <= 2 ? [`atempo=${tempo.toFixed(3)}`] : ['atempo=2', `atempo=${Math.min(2, tempo / 2).toFixed(3)}`];
}

/**
 * Sound as long as the picture less at most two frames of AAC: were it longer, each joint would put the picture behind by some milliseconds.
 */
function soundChain({ voice, duration }: SceneJob): string {
  const samples = Math.max(1, Math.floor((duration * SAMPLE_RATE) / AAC_FRAME) - 1) * AAC_FRAME;
  const speech = voice === null ? [] : [...tempoChain(voice.tempo), `aresample=${SAMPLE_RATE}`, 'aformat=channel_layouts=stereo', 'apad'];
  return [...speech, `atrim=end_sample=${samples}`, 'asetpts=N/SR/TB'].join(',');
}

const ALLOW = ['-protocol_whitelist', 'file,pipe'];

function pictureInput({ backdrop, width, height }: SceneJob): string[] {
  if ('color' in backdrop) return ['-f', 'lavfi', '-i', `color=c=0x${backdrop.color.slice(1)}:s=${width}x${height}:r=1:d=1`];
  return [...ALLOW, '-f', 'image2', '-c:v', backdrop.decoder, '-i', backdrop.picture];
}

function soundInput({ voice }: SceneJob): string[] {
  if (voice === null) return ['-f', 'lavfi', '-i', `anullsrc=r=${SAMPLE_RATE}:cl=stereo`];
  return [...ALLOW, '-f', 'wav', '-i', voice.file];
}

/** What every ffmpeg gets: no questions, only errors in its standard error, progress on its standard output. */
export const FFMPEG_BASE: readonly string[] = ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y', '-progress', 'pipe:1'];
/** The same input gives the same bytes. */
const REPEATABLE = ['-fflags', '+bitexact', '-map_metadata', '-1', '-movflags', '+faststart'];

/** The arguments that render one scene: exactly its frames, and sound of the same kind in every scene, so that scenes can be joined as they are. */
export function sceneArguments(job: SceneJob): string[] {
  return [
    ...FFMPEG_BASE,
    ...pictureInput(job),
    ...soundInput(job),
    ...['-filter_complex', `[0:v]${pictureChain(job)}[v];[1:a]${soundChain(job)}[a]`],
    ...['-map', '[v]', '-map', '[a]', '-frames:v', String(framesOf(job.duration, job.fps)), '-r', String(job.fps)],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '23', '-threads', String(job.threads), '-flags:v', '+bitexact'],
    ...['-c:a', 'aac', '-b:a', '96k', '-ar', String(SAMPLE_RATE), '-ac', '2', '-flags:a', '+bitexact'],
    ...REPEATABLE,
    job.output,
  ];
}

/** The list that ffmpeg's concat demuxer reads. Names are ours; durations are stated, so that no joint shifts what follows. */
export function joinList(scenes: readonly { file: string; duration: number }[]): string {
  return ['ffconcat version 1.0', ...scenes.flatMap(({ file, duration }) => [`file ${file}`, `duration ${duration.toFixed(6)}`]), ''].join(
    '\n',
  );
}

/** The arguments that join rendered scenes without encoding them again. */
export function joinArguments(list: string, output: string): string[] {
  return [...FFMPEG_BASE, ...ALLOW, '-f', 'concat', '-i', list, '-map', '0:v:0', '-map', '0:a:0', '-c', 'copy', ...REPEATABLE, output];
}

/** The arguments that take one picture out of a video, `at_s` seconds from its start, 320 pixels wide. */
export function thumbnailArguments(video: string, at_s: number, output: string): string[] {
  const shrink = ['-frames:v', '1', '-vf', 'scale=320:-2', '-c:v', 'mjpeg', '-q:v', '4', '-f', 'image2', '-update', '1'];
  return [...FFMPEG_BASE, ...ALLOW, '-ss', at_s.toFixed(3), '-f', 'mov', '-i', video, ...shrink, '-pix_fmt', 'yuvj420p', output];
}
