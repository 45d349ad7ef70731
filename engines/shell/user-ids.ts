import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { EngineError } from '../../core/errors.ts';
import { isActive, killUser, listProcesses } from './processes.ts';

/** How many user ids there are, from SHELL_UID_BASE on. */
export const USER_IDS = 1_000;

/** Name of the socket that reserves a user id, without the id. */
export const RESERVATION = 'orchestrator-shell-uid-';

/** A user id that one running instance has to itself on this machine. */
export type UserId = { uid: number; release(): Promise<void> };

/** The reservation is an abstract Unix socket: exclusive among all workers of the machine, and gone with its process however that ends. */
async function reserve(uid: number): Promise<net.Server | null> {
  const server = net.createServer((socket) => socket.destroy());
  return await new Promise((done) => {
    server.once('error', () => done(null));
    server.listen(`\0${RESERVATION}${uid}`, () => done(server.unref()));
  });
}

const close = async (server: net.Server): Promise<void> => await new Promise((done) => server.close(() => done()));

/** Where tasks can run as users of their own: only root may change the id, and the reservation needs Linux. */
export const canChangeUser = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

/** User ids that belong to accounts of this machine; nothing of theirs may ever be killed. */
async function accountIds(): Promise<Set<number>> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return new Set(text.split('\n').map((line) => Number(line.split(':')[2])));
}

/**
 * Takes a user id that no task of any worker on this machine has. The choice is random, so that one that was just killed rests.
 * @throws EngineError unavailable: all are taken
 */
export async function takeUserId(base: number): Promise<UserId> {
  const accounts = await accountIds();
  const first = Math.floor(Math.random() * USER_IDS);
  for (let i = 0; i < USER_IDS; i++) {
    const uid = base + ((first + i) % USER_IDS);
    const server = accounts.has(uid) ? null : await reserve(uid);
    if (server) {
      if (isActive(uid)) await killUser(uid); // of a worker that was killed just now
      return { uid, release: () => close(server) };
    }
  }
  throw new EngineError('unavailable', `shell: all ${USER_IDS} user ids from ${base} on are in use on this machine`);
}

async function killIfUnowned(uid: number): Promise<boolean> {
  const server = await reserve(uid);
  if (!server) return false;
  try {
    await killUser(uid);
    return true;
  } finally {
    await close(server);
  }
}

/** Kills processes under our user ids that no worker of this machine holds any more. @returns of how many user ids */
export async function killUnowned(base: number): Promise<number> {
  const accounts = await accountIds();
  const found = (await listProcesses()).map(({ uid }) => uid).filter((uid) => uid >= base && uid < base + USER_IDS);
  let killed = 0;
  for (const uid of new Set(found)) if (!accounts.has(uid) && (await killIfUnowned(uid))) killed++;
  return killed;
}
