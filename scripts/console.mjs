/** What the scripts share: the project's folder and how they speak. Node >= 20, nothing installed. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** One line of progress, on stderr so that a tool's own output stays clean. */
export function say(line) {
  process.stderr.write(`[setup] ${line}\n`);
}

/** Says what went wrong and what to do about it, and ends the process. */
export function fail(problem, advice) {
  process.stderr.write(`[setup] ${problem}\n[setup] → ${advice}\n`);
  process.exit(1);
}

export const elapsed = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
