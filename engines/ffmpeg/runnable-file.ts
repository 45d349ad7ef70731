import { chmod, copyFile, lstat, mkdir, mkdtemp, rename, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isReachable } from '../shell/home.ts';
import { canChangeUser } from '../shell/user-ids.ts';

const PREFIX = 'orchestrator-tools';

/** A folder below the system's temporary one that nobody else can write to, and that stays the same for this user. */
async function ownFolder(): Promise<string> {
  const folder = path.join(tmpdir(), `${PREFIX}-${process.getuid?.() ?? 0}`);
  await mkdir(folder, { mode: 0o755 }).catch(() => undefined);
  const found = await lstat(folder).catch(() => null);
  if (found?.isDirectory() && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o022) === 0) return folder;
  const fresh = await mkdtemp(path.join(tmpdir(), `${PREFIX}-`));
  await chmod(fresh, 0o755);
  return fresh;
}

/** Whether those who run it may: the worker, or, where it gives its work to other users, everybody. */
async function isUsable(file: string): Promise<boolean> {
  const { mode } = await stat(file);
  if (canChangeUser()) return (mode & 0o005) === 0o005 && (await isReachable(file));
  return (mode & 0o100) !== 0;
}

/**
 * The file itself where whoever runs it can reach and execute it, else a copy that they can. Packages install programs below folders that only
 * their owner may enter, and some without the right to run them.
 * @returns null when there is no such file
 */
export async function runnableFile(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return null;
  if (await isUsable(file)) return file;
  const name = `${path.basename(file)}-${found.size}-${Math.floor(found.mtimeMs)}`;
  const copy = path.join(await ownFolder(), name);
  const earlier = await lstat(copy).catch(() => null);
  if (earlier?.isFile() && earlier.size === found.size) return copy;
  const aside = `${copy}.${process.pid}`;
  await copyFile(file, aside);
  await chmod(aside, 0o755);
  await rename(aside, copy);
  return copy;
}
