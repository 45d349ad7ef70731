import { accessSync, constants, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../core/errors.ts';
import { commandLine, readQuietly } from './pid-file.ts';

/** The live process that wrote the lock: number and command line must both agree, as numbers are used again. */
function holderOf(file: string): number | null {
  const [pid = '', , command] = readQuietly(file)?.split('\n') ?? [];
  const found = commandLine(Number(pid));
  return found !== null && found === command ? Number(pid) : null;
}

/** Creates the lock with its content in one step. @returns false when somebody else was there */
function take(file: string, purpose: string): boolean {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, `${process.pid}\n${purpose}\n${commandLine(process.pid) ?? ''}\n`, { mode: 0o600 });
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Moves a dead process's lock out of the way; of two that try, one succeeds. */
function removeStale(file: string): void {
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
    rmSync(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function makeWritable(data_dir: string): void {
  try {
    mkdirSync(data_dir, { recursive: true, mode: 0o711 });
    accessSync(data_dir, constants.W_OK);
  } catch (cause) {
    throw new EngineError(
      'forbidden',
      `${data_dir}: cannot be written to; expected a folder of the user that starts the engine: set DATA_DIR to one`,
      { cause },
    );
  }
}

/**
 * Claims a data folder for this process: one engine on a folder at a time. A lock whose process is dead is taken over.
 * @param purpose said to whoever comes second
 * @returns a function that gives it back
 * @throws EngineError conflict: names the process that has it; forbidden: not writable
 */
export function claimDataFolder(data_dir: string, purpose: string): () => void {
  makeWritable(data_dir);
  const file = path.join(data_dir, 'run.lock');
  for (let n = 0; n < 10; n += 1) {
    if (take(file, purpose)) return () => release(file);
    const holder = holderOf(file);
    if (holder !== null) {
      const what = readQuietly(file)?.split('\n')[1] ?? 'another process';
      throw new EngineError(
        'conflict',
        `${data_dir} is in use by ${what} (process ${holder}); expected nobody: stop it first, or set DATA_DIR to another folder`,
      );
    }
    removeStale(file);
  }
  throw new EngineError('conflict', `${file}: changes hands too often; expected a lock that can be taken`);
}

function release(file: string): void {
  if (readFileSync(file, 'utf8').startsWith(`${process.pid}\n`)) rmSync(file, { force: true });
}

/** The process that runs an engine on this data folder, null when none does. */
export const dataFolderHolder = (data_dir: string): number | null => holderOf(path.join(data_dir, 'run.lock'));
