import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { signalQuietly } from './guarded-process.ts';
import { commandLine, readQuietly, waitForEnd } from './pid-file.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresFolder } from './postgres-folder.ts';
import type { Owner } from './postgres-owner.ts';

type Context = { folder: PostgresFolder; binaries: PostgresBinaries; owner: Owner | null; report: (line: string) => void };

/** @returns pid that the server on this data folder wrote down, null when there is none */
export function postmasterPid(folder: Pick<PostgresFolder, 'data'>): number | null {
  const pid = Number(readQuietly(path.join(folder.data, 'postmaster.pid'))?.split('\n')[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : null;
}

function pgCtlStop({ folder, binaries, owner }: Context, mode: 'fast' | 'immediate', limit_s: number): boolean {
  const ids = owner ? { uid: owner.uid, gid: owner.gid } : {};
  const args = ['stop', '-D', folder.data, '-m', mode, '-w', '-t', String(limit_s)];
  return spawnSync(binaries.pg_ctl, args, { cwd: folder.root, env: { LC_ALL: 'C' }, stdio: 'ignore', ...ids }).status === 0;
}

/**
 * Ends the server that a killed earlier run left on this data folder: cleanly, else as after a crash, else by force. A pid file whose number
 * meanwhile belongs to a stranger is removed, as PostgreSQL itself would refuse to start over it.
 */
export async function endPostmaster(context: Context): Promise<void> {
  const pid = postmasterPid(context.folder);
  const command = pid === null ? null : commandLine(pid);
  if (pid === null || command === null) return;
  if (!command.includes(context.folder.data)) {
    rmSync(path.join(context.folder.data, 'postmaster.pid'), { force: true });
    return;
  }
  context.report(`stopping the PostgreSQL that an earlier run left (pid ${pid})`);
  if (pgCtlStop(context, 'fast', 30) || pgCtlStop(context, 'immediate', 10)) return;
  signalQuietly(pid, 'SIGKILL');
  await waitForEnd(pid, 5000);
}
