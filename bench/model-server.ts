import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from './remote.ts';

/** From the first request to the last answer since `forget`. */
export type Stretch = { calls: number; seconds: number };

const ANSWER = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: '抱歉，我不能帮助做这件事。'.repeat(20) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 50, completion_tokens: 200 },
});

/** An OpenAI-compatible model that answers everything alike after `delay_ms`; as 201 below `/bare`, for clients that expect one. */
async function open({ delay_ms }: { delay_ms: number }) {
  const seen = { calls: 0, first: Number.POSITIVE_INFINITY, last: 0 };
  const server = http.createServer((request, response) => {
    seen.first = Math.min(seen.first, performance.now());
    request.resume();
    setTimeout(() => {
      seen.calls += 1;
      seen.last = performance.now();
      response.writeHead(request.url === '/bare' ? 201 : 200, { 'content-type': 'application/json' }).end(ANSWER);
    }, delay_ms);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const methods = {
    url: async () => `http://127.0.0.1:${port}`,
    forget: async () => void Object.assign(seen, { calls: 0, first: Number.POSITIVE_INFINITY, last: 0 }),
    stretch: async (): Promise<Stretch> => ({ calls: seen.calls, seconds: (seen.last - seen.first) / 1_000 }),
  };
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { methods, close };
}

export type ModelServerMethods = Awaited<ReturnType<typeof open>>['methods'];

await serve(open);
