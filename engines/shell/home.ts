import { chmod, chown, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Where a task lives: its private folder, and how to remove what was made besides the instance's own. */
export type Home = { home: string; remove(): Promise<void> };

/** Whether a foreign user can get to a file or folder through all its parents; below a private home directory nobody can. */
export async function isReachable(folder: string): Promise<boolean> {
  for (let at = path.dirname(folder); ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

const prefixOf = (worker: string): string => `orchestrator-${worker}.`;

/** Name of the spare folder of an instance, without its random end. */
export const spareName = (worker: string, runid: string): string => `${prefixOf(worker)}${runid}.`;

/** The instance's folder made private to the task's user, or one below the system's temporary folder where that user could not reach it. */
export async function makeHome({ folder, spare, uid }: { folder: string; spare: string; uid: number | null }): Promise<Home> {
  const inPlace = uid === null || (await isReachable(folder));
  const home = inPlace ? folder : await mkdtemp(path.join(tmpdir(), spare));
  await chmod(home, 0o700);
  if (uid !== null) await chown(home, uid, uid);
  return { home, remove: () => (inPlace ? Promise.resolve() : rm(home, { recursive: true, force: true })) };
}

/** Removes spare folders that a killed worker process left. */
export async function removeSpares(worker: string, isLeftover: (runid: string) => boolean): Promise<void> {
  const prefix = prefixOf(worker);
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(prefix));
  for (const name of names) {
    const runid = name.slice(prefix.length, name.lastIndexOf('.'));
    if (isLeftover(runid)) await rm(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}
