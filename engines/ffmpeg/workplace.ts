import { chmod, chown, lstat, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../../core/errors.ts';
import type { EngineContext } from '../define-engine.ts';
import { makeHome, removeSpares, spareName } from '../shell/home.ts';
import { killAll, killUser } from '../shell/processes.ts';
import { canChangeUser, takeUserId } from '../shell/user-ids.ts';
import type { ToolOwner } from './run-tool.ts';

/** Where the tools of one instance work: a private folder, and an unprivileged user of their own where the worker is root. */
export type Workplace = {
  folder: string;
  owner: ToolOwner;
  file(name: string): string;
  /** Gives a file that the worker wrote to the tools' user. */
  give(name: string): Promise<void>;
  /** A file that a tool made, once it is sure to be an ordinary one: then it is the worker's. @throws EngineError internal */
  receive(name: string): Promise<string>;
  /** Kills what is left of the tools and removes what they made. */
  close(): Promise<void>;
};

export type WorkplaceHost = { worker: string; uid_base: number };

/**
 * Opens a workplace below the instance's folder, or below the system's temporary folder where another user could not reach that.
 * @throws EngineError unavailable: no user id is free
 */
export async function openWorkplace(
  { worker, uid_base }: WorkplaceHost,
  { folder, instance }: Pick<EngineContext, 'folder' | 'instance'>,
): Promise<Workplace> {
  const { runid, execution } = instance;
  if (execution > 1) await killAll((found) => found.runid === runid);
  const user = canChangeUser() ? await takeUserId(uid_base) : null;
  const uid = user?.uid ?? null;
  const work = await emptyFolder(folder);
  const { home, remove } = await makeHome({ folder: work, spare: spareName(worker, runid), uid });
  const file = (name: string): string => path.join(home, name);
  return {
    folder: home,
    owner: { runid, worker, uid },
    file,
    give: async (name) => {
      if (uid !== null) await chown(file(name), uid, uid);
    },
    receive: async (name) => {
      const found = await lstat(file(name)).catch(() => null);
      if (!found?.isFile() || found.nlink !== 1) throw new EngineError('internal', `${name}: expected an ordinary file`);
      if (uid !== null) await chown(file(name), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
      return file(name);
    },
    close: async () => {
      if (uid !== null) await killUser(uid);
      await user?.release();
      await remove();
      await rm(work, { recursive: true, force: true });
    },
  };
}

/** A folder for the tools inside the instance's, which their user may pass but not read; what an earlier execution left there is gone. */
async function emptyFolder(folder: string): Promise<string> {
  const work = path.join(folder, 'work');
  await rm(work, { recursive: true, force: true });
  await chmod(folder, 0o711);
  await mkdir(work, { mode: 0o700 });
  return work;
}

/** Removes what killed workers left: processes of dead instances of this worker, and folders. @returns processes killed */
export async function sweepWorkplaces(worker: string, live: ReadonlySet<string>): Promise<number> {
  await removeSpares(worker, (runid) => !live.has(runid));
  return await killAll((found) => found.worker === worker && found.runid !== null && !live.has(found.runid));
}
