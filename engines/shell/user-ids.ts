import net from 'node:net';
import { EngineError } from '../../core/errors.ts';
import { killAll, listProcesses } from './processes.ts';

/** How many user ids there are, from SHELL_UID_BASE on. */
export const USER_IDS = 1_000;

/** A user id that one running instance has to itself on this machine. */
export type UserId = { uid: number; release(): Promise<void> };

/** The reservation is an abstract Unix socket: exclusive among all workers of the machine, and gone with its process however that ends. */
async function reserve(uid: number): Promise<net.Server | null> {
  const server = net.createServer((socket) => socket.destroy());
  return await new Promise((done) => {
    server.once('error', () => done(null));
    server.listen(`\0orchestrator-shell-uid-${uid}`, () => done(server.unref()));
  });
}

const close = async (server: net.Server): Promise<void> => await new Promise((done) => server.close(() => done()));

/** Where tasks can run as users of their own: only root may change the id, and the reservation needs Linux. */
export const canChangeUser = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

/**
 * Takes a user id that nobody on this machine uses, whether reserved or by a leftover process.
 * @throws EngineError unavailable: all are taken
 */
export async function takeUserId(base: number): Promise<UserId> {
  const used = new Set((await listProcesses()).map((found) => found.uid));
  const first = Math.floor(Math.random() * USER_IDS);
  for (let i = 0; i < USER_IDS; i++) {
    const uid = base + ((first + i) % USER_IDS);
    const server = used.has(uid) ? null : await reserve(uid);
    if (server) return { uid, release: () => close(server) };
  }
  throw new EngineError('unavailable', `shell: all ${USER_IDS} user ids from ${base} on are in use on this machine`);
}

/** Kills processes under our user ids that no worker of this machine holds any more. @returns how many */
export async function killUnowned(base: number): Promise<number> {
  const ours = (await listProcesses()).map((found) => found.uid).filter((uid) => uid >= base && uid < base + USER_IDS);
  let killed = 0;
  for (const uid of new Set(ours)) {
    const server = await reserve(uid);
    if (!server) continue;
    killed += await killAll((found) => found.uid === uid, uid).finally(async () => await close(server));
  }
  return killed;
}
