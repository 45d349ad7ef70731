import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the demonstration's model says to every prompt. */
const REFUSAL = '抱歉，我不能帮助做这件事。';

const completion = { choices: [{ index: 0, message: { role: 'assistant', content: REFUSAL }, finish_reason: 'stop' }] };

/**
 * Something for the http task and the flames task to call: a server of our own on loopback, since the demonstration must not depend on anybody else's. Below
 * `base_url` it answers as a language model that declines everything.
 */
export async function startDemoTarget(): Promise<{ url: string; base_url: string; stop(): void }> {
  const server = createServer((request, response) => {
    const answer = request.url?.startsWith('/v1/') ? completion : { hello: 'http task' };
    request.resume();
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/hello`, base_url: `http://127.0.0.1:${port}/v1`, stop };
}
