import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Something for the http task to call: a server of our own on loopback, since the demonstration must not depend on anybody else's. */
export async function startDemoTarget(): Promise<{ url: string; stop(): void }> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ hello: 'http task' }));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/hello`, stop };
}
