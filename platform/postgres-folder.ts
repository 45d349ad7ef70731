import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../core/errors.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { canUse, type Owner } from './postgres-owner.ts';
import { runCommand } from './run-command.ts';

export const SUPERUSER = 'orchestrator';

/** Where the server's files go when root's own folder is closed to the server's user. */
export const OUTSIDE = '/var/lib/task-orchestrator';

const INITDB_LIMIT_MS = 300_000;

/** The server's files: `data` is the cluster; the password lies beside it, so that both move together. */
export type PostgresFolder = { root: string; data: string; password_file: string };

const layout = (root: string): PostgresFolder => ({ root, data: path.join(root, 'data'), password_file: path.join(root, 'password') });

async function ownedFolder(folder: string, owner: Owner | null): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    if (owner) await chown(folder, owner.uid, owner.gid);
  } catch (cause) {
    throw new EngineError(
      'forbidden',
      `${folder}: cannot be used; expected a folder of the user that starts the engine, not one that root made earlier: change its owner, or set DATA_DIR`,
      {
        cause,
      },
    );
  }
}

/**
 * Prepares `<data folder>/postgres`. Where this process is root and the server's user may not enter the way there (a clone in /root), it is a
 * link to a folder under /var/lib/task-orchestrator, and `report` says so.
 * @throws EngineError unavailable: neither place can be used; forbidden: data of another user
 */
export async function prepareFolder(data_dir: string, owner: Owner | null, report: (line: string) => void): Promise<PostgresFolder> {
  const inside = path.join(data_dir, 'postgres');
  await mkdir(data_dir, { recursive: true, mode: 0o711 }).catch(() => undefined);
  if (!existsSync(inside)) await rm(inside, { force: true });
  await refuseOtherOwner(layout(inside).data, owner);
  await ownedFolder(inside, owner);
  const real = realpathSync(inside);
  if (owner === null || canUse(owner, real)) return layout(real);
  return await outside(inside, owner, report);
}

async function outside(inside: string, owner: Owner, report: (line: string) => void): Promise<PostgresFolder> {
  const folder = path.join(OUTSIDE, `postgres-${randomBytes(4).toString('hex')}`);
  await mkdir(OUTSIDE, { recursive: true, mode: 0o755 });
  await ownedFolder(folder, owner);
  if (!canUse(owner, folder)) {
    throw new EngineError(
      'unavailable',
      `user "${owner.name}" can enter neither ${inside} nor ${folder}; expected one of them: set DATA_DIR to a folder that it can reach`,
    );
  }
  await rm(inside, { recursive: true });
  await symlink(folder, inside);
  report(`user "${owner.name}" may not enter ${path.dirname(inside)}: PostgreSQL's files are in ${folder}, linked from there`);
  return layout(folder);
}

/** PostgreSQL opens only what belongs to the user it runs as: data made by a person is not opened for root, who runs it as somebody else. */
async function refuseOtherOwner(data: string, owner: Owner | null): Promise<void> {
  const uid = (await stat(data).catch(() => null))?.uid;
  const expected = owner?.uid ?? process.getuid?.();
  if (uid === undefined || expected === undefined || uid === expected) return;
  throw new EngineError(
    'forbidden',
    `${data}: belongs to user ${uid}, expected ${expected}: start as that user, change its owner, or set DATA_DIR`,
  );
}

/** A cluster that a newer or older PostgreSQL made cannot be opened by this one. */
async function refuseOtherVersion(data: string): Promise<void> {
  const version = (await readFile(path.join(data, 'PG_VERSION'), 'utf8')).trim();
  if (version === '18') return;
  throw new EngineError('conflict', `${data}: made by PostgreSQL ${version}, expected 18; move the folder away or set DATABASE_URL`);
}

/** @returns the superuser's password, made at first and kept with mode 0600 */
async function ensurePassword(folder: PostgresFolder, owner: Owner | null): Promise<string> {
  if (!existsSync(folder.password_file)) {
    await writeFile(folder.password_file, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (owner) await chown(folder.password_file, owner.uid, owner.gid);
  }
  return (await readFile(folder.password_file, 'utf8')).trim();
}

/**
 * Makes the cluster unless there is one; a run that was broken off leaves nothing that looks like a cluster.
 * @returns the superuser's password
 * @throws EngineError conflict: other major version; internal: initdb failed, with its words
 */
export async function ensureCluster(folder: PostgresFolder, binaries: PostgresBinaries, owner: Owner | null): Promise<string> {
  if (existsSync(path.join(folder.data, 'PG_VERSION'))) {
    await refuseOtherVersion(folder.data);
    return await ensurePassword(folder, owner);
  }
  const half = halfMade(folder);
  await rm(half, { recursive: true, force: true });
  await ownedFolder(half, owner);
  const password = await ensurePassword(folder, owner);
  await initdb(binaries.initdb, folder, owner);
  await rename(half, folder.data);
  return password;
}

const halfMade = (folder: PostgresFolder): string => `${folder.data}.new`;

async function initdb(command: string, folder: PostgresFolder, owner: Owner | null): Promise<void> {
  const target = halfMade(folder);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${SUPERUSER}`, `--pwfile=${folder.password_file}`, '--auth=scram-sha-256'];
  const args = ['-D', target, ...locale, ...access];
  const { code, output } = await runCommand(command, args, { limit_ms: INITDB_LIMIT_MS, cwd: folder.root, env: { LC_ALL: 'C' }, owner });
  if (code === 0) return;
  const advice = output.includes('No space left')
    ? 'the disk is full: free about 1 GB'
    : 'set DATABASE_URL to a server of your own if this machine cannot run it';
  throw new EngineError(
    'internal',
    `initdb in ${target} ended with code ${code}; expected 0: ${output.trim().split('\n').slice(-4).join(' | ')}; ${advice}`,
  );
}
