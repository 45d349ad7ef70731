import { spawnSync } from 'node:child_process';
import { EngineError } from '../core/errors.ts';

/** The user that PostgreSQL runs as where this process is root, which PostgreSQL refuses to be. */
export type Owner = { name: string; uid: number; gid: number };

const NAMES = ['postgres', 'orchestrator-pg'] as const;

function idOf(name: string, flag: '-u' | '-g'): number | null {
  const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.trim()) : null;
}

function ownerNamed(name: string): Owner | null {
  const [uid, gid] = [idOf(name, '-u'), idOf(name, '-g')];
  return uid === null || gid === null || uid === 0 ? null : { name, uid, gid };
}

/** Makes a system user without home or shell; minimal images may have neither command. */
function createUser(name: string): Owner | null {
  const made = spawnSync('/usr/sbin/useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name], {
    encoding: 'utf8',
  });
  return made.status === 0 ? ownerNamed(name) : null;
}

/**
 * Who owns and runs the embedded server: null for "this user", or an unprivileged one where this process is root.
 * Order: `postgres` as distributions have it, one made here, `nobody`.
 * @throws EngineError unavailable: root, and no such user to be had
 */
export function postgresOwner(): Owner | null {
  if (process.getuid?.() !== 0) return null;
  const owner = ownerNamed(NAMES[0]) ?? ownerNamed(NAMES[1]) ?? createUser(NAMES[1]) ?? ownerNamed('nobody');
  if (owner) return owner;
  throw new EngineError(
    'unavailable',
    'PostgreSQL refuses to run as root; expected a user "postgres": run "useradd --system postgres", or set DATABASE_URL',
  );
}

/** Whether that user can enter the folders on the way and read the file or folder; asked of the system itself, so that ACLs count. */
export function canUse(owner: Owner, file: string): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', 'test -r "$1" && test -x "$1"', 'sh', file], { cwd: '/', uid: owner.uid, gid: owner.gid });
  return status === 0;
}
