import { createServer } from 'node:net';
import { EngineError } from '../core/errors.ts';

const TRIES = 200;

/** Whether a server could listen there now. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port that the operating system picks. */
function anyPort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/**
 * The first free port from `wanted` upwards; 0 leaves the choice to the operating system.
 * @param taken ports promised to others but not listened on yet
 * @throws EngineError unavailable: nothing free in 200 ports, or the address is not of this machine
 */
export async function freePort(host: string, wanted: number, taken: ReadonlySet<number> = new Set()): Promise<number> {
  if (wanted === 0) return await anyPort(host);
  const last = Math.min(wanted + TRIES, 65_535);
  for (let port = wanted; port <= last; port += 1) {
    if (!taken.has(port) && (await isFree(host, port))) return port;
  }
  throw new EngineError(
    'unavailable',
    `host ${host}: no free port from ${wanted} to ${last}; expected one, and an address of this machine in HOST`,
  );
}
