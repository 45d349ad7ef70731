import { connect, createServer, type Server, type Socket } from 'node:net';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import type { Em } from '../../entities/sql.ts';
import type { TestDatabase } from './database.ts';

/** A database reached through a proxy that counts how often a client waits for the server, BEGIN and COMMIT included. */
export type CountedDatabase = {
  fork(): Em;
  count<T>(work: (em: Em) => Promise<T>): Promise<{ result: T; round_trips: number }>;
  close(): Promise<void>;
};

/** After these messages a client waits for "ready": a simple query, and the end of an extended one. */
const WAITING = new Set(['Q', 'S']);

/** The first whole message of what has come so far; the very first of a conversation has no type. Null: it is not complete yet. */
function firstMessage(bytes: Buffer, started: boolean): { type: string; length: number } | null {
  const head = started ? 1 : 0;
  if (bytes.length < head + 4) return null;
  const length = head + bytes.readInt32BE(head);
  return bytes.length < length ? null : { type: started ? String.fromCharCode(bytes[0] as number) : '', length };
}

/** Counts the messages of one connection that an answer is waited for. */
function createCounter(counted: () => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let message = firstMessage(rest, started); message; message = firstMessage(rest, started)) {
      if (WAITING.has(message.type)) counted();
      rest = rest.subarray(message.length);
      started = true;
    }
  };
}

/** Opens a database through such a proxy, on one connection. */
export async function countedDatabase(db: TestDatabase): Promise<CountedDatabase> {
  let n = 0;
  const target = new URL(db.url);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const other = connect({ host: target.hostname, port: Number(target.port) });
    socket.on(
      'data',
      createCounter(() => (n += 1)),
    );
    socket.pipe(other).pipe(socket);
    for (const one of [socket, other]) sockets.add(one.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(db.url);
  url.port = String((server.address() as { port: number }).port);
  const orm: MikroORM = await createOrm({ url: url.href, pool_max: 1, application_name: 'round trips' });
  const fork = () => orm.em.fork() as Em;
  return {
    fork,
    count: async (work) => {
      const before = n;
      return { result: await work(fork()), round_trips: n - before };
    },
    close: async () => {
      await orm.close(true);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
