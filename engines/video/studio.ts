import type { Agent } from 'undici';
import type { Config } from '../../config/env.ts';
import { type ToolFailure, toolFailure } from '../../core/ffmpeg/failure.ts';
import type { ProgressReport } from '../../core/ffmpeg/progress.ts';
import { type Probed, probeArguments, readProbe } from '../../core/video/probe.ts';
import type { EngineContext } from '../define-engine.ts';
import type { FoundTools, Tools } from '../ffmpeg/find-tools.ts';
import { runTool } from '../ffmpeg/run-tool.ts';
import type { Workplace } from '../ffmpeg/workplace.ts';
import type { FontFinder } from './fonts.ts';
import type { VideoParameters } from './parameters.ts';
import type { VideoProgress } from './video-progress.ts';

/** Settings of the engine. */
export type VideoConfig = Pick<
  Config,
  | 'SHELL_UID_BASE'
  | 'OUTBOUND_ALLOW'
  | 'FFMPEG_PATH'
  | 'FFPROBE_PATH'
  | 'FFMPEG_STALL_S'
  | 'VIDEO_FONT'
  | 'VIDEO_PICTURES_DIR'
  | 'VIDEO_STORAGE_MB'
>;

/** What the videos of one worker share. */
export type VideoHost = {
  config: VideoConfig;
  worker: string;
  fonts: FontFinder;
  agent: () => Agent;
  tools: () => Promise<FoundTools>;
};

/** All that is at hand while one video is made. */
export type Studio = {
  host: VideoHost;
  tools: Tools;
  place: Workplace;
  context: EngineContext;
  parameters: VideoParameters;
  progress: VideoProgress;
  /** Threads of one ffmpeg. */
  threads: number;
};

/** Key in the artifact store of a file of this video. */
export const keyOf = (task_id: string, name: string): string => `videos/${task_id}/${name}`;
/** `scene-007.mp4` */
export const sceneName = (scene_number: number, extension: string): string => `scene-${String(scene_number).padStart(3, '0')}.${extension}`;

/** Runs ffmpeg in the workplace. @returns why it failed, null when it did not */
export async function runFfmpeg(
  { tools, place, context, host }: Studio,
  argv: readonly string[],
  on_report: (report: ProgressReport) => void = () => undefined,
): Promise<ToolFailure | null> {
  const base = { file: tools.ffmpeg, cwd: place.folder, owner: place.owner, signal: context.signal };
  return toolFailure('ffmpeg', await runTool({ ...base, argv, on_report, stall_s: host.config.FFMPEG_STALL_S }));
}

/** What a file of the workplace holds, as ffprobe sees it; null when it is no video. */
export async function probe({ tools, place, context, host }: Studio, name: string): Promise<Probed | null> {
  const base = { file: tools.ffprobe, cwd: place.folder, owner: place.owner, signal: context.signal };
  const { exit_code, stdout } = await runTool({ ...base, argv: probeArguments(name), stall_s: host.config.FFMPEG_STALL_S });
  return exit_code === 0 ? readProbe(stdout) : null;
}
