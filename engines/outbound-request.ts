import { type Agent, type Dispatcher, request } from 'undici';
import { EngineError } from '../core/errors.ts';
import { parseOutboundUrl } from './outbound-guard.ts';

/** One request through the guard. Header names in lower case. `secret_headers` leave only for the first origin. */
export type OutboundRequest = {
  method: string;
  url: string;
  headers: Record<string, string>;
  secret_headers?: ReadonlySet<string>;
  body?: string | Buffer;
  signal: AbortSignal;
  max_response_bytes: number;
  /** 0: a redirect is an answer like any other. */
  max_redirects: number;
};
export type OutboundResponse = {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  truncated: boolean;
  url: string;
  redirects: number;
};

type Hop = { url: URL; method: string; headers: Record<string, string>; body: string | Buffer | undefined };
type RawHeaders = Record<string, string | string[] | undefined>;

const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization', 'x-api-key']);
const flat = (headers: RawHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );

const without = (headers: Record<string, string>, drop: (name: string) => boolean): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !drop(name)));

/** What a redirect asks for: as browsers do, 303 and a POST's 301/302 become GET; credentials and secrets never leave their origin. */
function nextHop(hop: Hop, answer: { status: number; location: string }, secret: ReadonlySet<string>): Hop {
  const url = parseOutboundUrl(answer.location, hop.url);
  const toGet = (answer.status === 303 && hop.method !== 'HEAD') || (answer.status <= 302 && hop.method === 'POST');
  const foreign = url.origin !== hop.url.origin;
  const drop = (name: string): boolean =>
    (foreign && (CREDENTIALS.has(name) || secret.has(name))) || (toGet && name.startsWith('content-'));
  return { url, method: toGet ? 'GET' : hop.method, headers: without(hop.headers, drop), body: toGet ? undefined : hop.body };
}

/** Reads at most `max` bytes and drops the connection when more come. */
async function readBody(body: Dispatcher.ResponseData['body'], max: number): Promise<{ bytes: Buffer; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > max) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, max), truncated: size > max };
}

async function send(agent: Agent, hop: Hop, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const { url, method, headers, body } = hop;
  return await request(url, { method: method as Dispatcher.HttpMethod, headers, body: body ?? null, signal, dispatcher: agent });
}

async function discard(response: Dispatcher.ResponseData, signal: AbortSignal): Promise<void> {
  await response.body.dump({ limit: 16_384, signal });
}

/**
 * Sends a request and follows its redirects, each hop judged anew by the agent's guard.
 * @throws EngineError forbidden: an address is not public; invalid_input: a bad URL or redirect; conflict: too many redirects.
 * Network errors and the abort reason pass through.
 */
export async function outboundRequest(agent: Agent, options: OutboundRequest): Promise<OutboundResponse> {
  const secret = options.secret_headers ?? new Set<string>();
  let hop: Hop = { url: parseOutboundUrl(options.url), method: options.method, headers: options.headers, body: options.body };
  for (let redirects = 0; ; redirects++) {
    const response = await send(agent, hop, options.signal);
    const headers = flat(response.headers);
    const status = response.statusCode;
    const isRedirect = [301, 302, 303, 307, 308].includes(status) && headers.location !== undefined;
    if (!isRedirect || options.max_redirects === 0) {
      const { bytes, truncated } = await readBody(response.body, options.max_response_bytes);
      return { status, headers, body: bytes, truncated, url: hop.url.href, redirects };
    }
    await discard(response, options.signal);
    if (redirects >= options.max_redirects) {
      throw new EngineError('conflict', `${options.url}: more than ${options.max_redirects} redirects`, {
        details: { outbound: 'redirects' },
      });
    }
    hop = nextHop(hop, { status, location: headers.location ?? '' }, secret);
  }
}
