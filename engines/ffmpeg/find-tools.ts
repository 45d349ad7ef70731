import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import type { Config } from '../../config/env.ts';
import { runTool } from './run-tool.ts';
import { runnableFile } from './runnable-file.ts';

/** The programs, ready to be run by any user of this machine, and the first line of what ffmpeg says of itself. */
export type Tools = { ffmpeg: string; ffprobe: string; version: string };
export type FoundTools = Tools | { missing: string };

type ToolName = 'ffmpeg' | 'ffprobe';
type ToolConfig = Pick<Config, 'FFMPEG_PATH' | 'FFPROBE_PATH'>;

const PACKAGES: Record<ToolName, string> = { ffmpeg: '@ffmpeg-installer/ffmpeg', ffprobe: '@ffprobe-installer/ffprobe' };

/** The absolute path of a program on PATH; null: there is none. */
export async function commandOnPath(name: string): Promise<string | null> {
  return await new Promise((done) => {
    execFile('/bin/sh', ['-c', 'command -v "$0"', name], { timeout: 10_000 }, (error, stdout) => {
      const file = stdout.trim();
      done(!error && file.startsWith('/') ? file : null);
    });
  });
}

/** The binary of an optional dependency; its own module knows where it lies for this platform, and throws where it is not installed. */
function fromNpm(name: ToolName): string | null {
  try {
    return (createRequire(import.meta.url)(PACKAGES[name]) as { path: string }).path;
  } catch {
    return null;
  }
}

async function locate(name: ToolName, configured: string | undefined): Promise<string | null> {
  const file = configured ?? (await commandOnPath(name)) ?? fromNpm(name);
  return file === null ? null : await runnableFile(file);
}

/** What a tool prints with these arguments, null when it fails. */
async function ask(file: string, argv: string[]): Promise<string | null> {
  const owner = { runid: 'none', worker: 'none', uid: null };
  const signal = new AbortController().signal;
  const { exit_code, stdout } = await runTool({ file, argv, cwd: tmpdir(), owner, signal, stall_s: 30 });
  return exit_code === 0 ? stdout : null;
}

/** Of the wanted words, those that stand in no line of a list such as `-filters` prints. */
const absent = (list: string | null, wanted: readonly string[]): string[] => {
  const words = new Set((list ?? '').split(/\s+/));
  return wanted.filter((word) => !words.has(word));
};

/**
 * Finds ffmpeg and ffprobe: as configured, on PATH, else those that npm installed.
 * @param needs encoders and filters without which they are of no use
 */
export async function findTools(
  config: ToolConfig,
  needs: { encoders: readonly string[]; filters: readonly string[] },
): Promise<FoundTools> {
  const ffmpeg = await locate('ffmpeg', config.FFMPEG_PATH);
  const ffprobe = await locate('ffprobe', config.FFPROBE_PATH);
  if (!ffmpeg || !ffprobe) {
    const name = ffmpeg ? 'ffprobe' : 'ffmpeg';
    return { missing: `${name} is neither on PATH nor installed by npm: install it, or name it by ${name.toUpperCase()}_PATH` };
  }
  const version = await ask(ffmpeg, ['-hide_banner', '-version']);
  if (version === null) return { missing: `${ffmpeg} cannot be run` };
  if ((await ask(ffprobe, ['-hide_banner', '-version'])) === null) return { missing: `${ffprobe} cannot be run` };
  const lacks = [
    ...absent(await ask(ffmpeg, ['-hide_banner', '-encoders']), needs.encoders),
    ...absent(await ask(ffmpeg, ['-hide_banner', '-filters']), needs.filters),
  ];
  if (lacks.length > 0) return { missing: `${ffmpeg} was built without ${lacks.join(', ')}` };
  return { ffmpeg, ffprobe, version: version.split('\n')[0] ?? '' };
}

/** As `findTools`, once for each process; a search that found nothing is repeated after half a minute, since somebody may have installed them. */
export function toolFinder(config: ToolConfig, needs: Parameters<typeof findTools>[1]): () => Promise<FoundTools> {
  let last: { at: number; found: Promise<FoundTools> } | null = null;
  return async () => {
    const found = await last?.found;
    if (found && (!('missing' in found) || performance.now() - (last?.at ?? 0) < 30_000)) return found;
    last = { at: performance.now(), found: findTools(config, needs) };
    return await last.found;
  };
}
