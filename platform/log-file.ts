import { closeSync, copyFileSync, existsSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync } from 'node:fs';
import path from 'node:path';

const MAX_BYTES = 10 * 1024 * 1024;
const KEPT = 3;
const CHECK_EVERY_MS = 60_000;

/** Where a server's output goes. `fd` is opened for appending; `tail` reads what came since the file was opened, at most 16 KB of it. */
export type LogFile = { fd: number; file: string; tail(): string; close(): void };

/** Moves `x.log.1` to `x.log.2` and so on; the oldest goes. */
function shift(file: string): void {
  for (let n = KEPT - 1; n >= 1; n -= 1) {
    if (existsSync(`${file}.${n}`)) renameSync(`${file}.${n}`, `${file}.${n + 1}`);
  }
}

/** Starts the file anew when it has grown too large. It is copied and cut, not renamed, because the server keeps it open. */
function rotate(file: string, fd: number): void {
  if (fstatSync(fd).size <= MAX_BYTES) return;
  shift(file);
  copyFileSync(file, `${file}.1`);
  ftruncateSync(fd, 0);
}

function readFrom(fd: number, start: number): string {
  const size = fstatSync(fd).size;
  const from = Math.max(start <= size ? start : 0, size - 16_384);
  const buffer = Buffer.alloc(size - from);
  readSync(fd, buffer, 0, buffer.length, from);
  return buffer.toString('utf8');
}

/** Opens `<folder>/<name>.log` for a server's output and keeps it below 10 MB, with three older ones beside it. */
export function openLogFile(folder: string, name: string): LogFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, `${name}.log`);
  const fd = openSync(file, 'a+', 0o600);
  rotate(file, fd);
  const start = fstatSync(fd).size;
  const timer = setInterval(() => rotate(file, fd), CHECK_EVERY_MS).unref();
  const close = () => {
    clearInterval(timer);
    closeSync(fd);
  };
  return { fd, file, tail: () => readFrom(fd, start), close };
}
