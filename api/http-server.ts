import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { EngineError } from '../core/errors.ts';
import type { Problem } from './problem.ts';

/** How long requests under way may take to finish when the server stops, in ms. */
const DRAIN_MS = 10_000;
const IDLE_CHECK_MS = 25;

/** Slow or silent clients hold a connection for no longer than this, in ms. Streams that write are not touched by them. */
const LIMITS = {
  requestTimeout: 60_000,
  headersTimeout: 15_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16_384,
};

const MOST_HEADERS = 100;

/** A listening server; `stop` lets requests under way finish. */
export type HttpServer = { url: string; port: number; stop(): Promise<void> };

/**
 * Listens; port 0 takes any free one.
 * @throws EngineError unavailable: the port is taken or the address is not ours
 */
export async function listen(listener: RequestListener, { host, port }: { host: string; port: number }): Promise<HttpServer> {
  const server = createServer(LIMITS, listener);
  server.maxHeadersCount = MOST_HEADERS;
  server.on('clientError', refuseUnreadable);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new EngineError('unavailable', `${host}:${port}: cannot listen there (${cause.code}); set API_PORT or HOST`, { cause })),
    );
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, port: address.port, stop: () => close(server) };
}

const UNREADABLE: Record<string, [status: number, title: string, code: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'too_large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'timeout'],
};

/** What Node cannot parse never becomes a request, so it is refused here, in the form of every other refusal. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, title, code] = UNREADABLE[error.code ?? ''] ?? [400, 'Bad Request', 'malformed_request'];
  const request_id = randomUUID();
  const type = `urn:problem:${code}`;
  const problem: Problem = {
    type,
    title,
    status,
    detail: 'the request could not be read as HTTP',
    instance: '',
    code,
    request_id,
    errors: [],
  };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `X-Request-Id: ${request_id}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Connections that were busy become idle one by one and would be kept alive, so they are looked for until none is left. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const impatience = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(impatience);
}
