import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalQuietly } from './guarded-process.ts';

/** The command line of a live process, null when there is none; zombies count as gone. */
export function commandLine(pid: number): string | null {
  if (!Number.isInteger(pid) || pid <= 1 || !signalQuietly(pid, 0)) return null;
  if (process.platform === 'linux') return readQuietly(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim() || null;
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

/** A file's text, null when it cannot be read. */
export function readQuietly(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Polls until the process is gone. @returns whether it is gone at the end of the time limit */
export async function waitForEnd(pid: number, limit_ms: number): Promise<boolean> {
  const until = Date.now() + limit_ms;
  while (commandLine(pid) !== null) {
    if (Date.now() > until) return false;
    await sleep(50);
  }
  return true;
}

/**
 * Ends a process left by a killed earlier run. The pid alone proves nothing, as numbers are used again: its command line must hold `mark`.
 * @returns whether there was such a process
 */
export async function endOrphan(pid: number, mark: string, grace_ms = 10_000): Promise<boolean> {
  if (!commandLine(pid)?.includes(mark)) return false;
  signalQuietly(pid, 'SIGTERM');
  if (await waitForEnd(pid, grace_ms)) return true;
  if (commandLine(pid)?.includes(mark)) signalQuietly(pid, 'SIGKILL');
  await waitForEnd(pid, 5000);
  return true;
}
