import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { Readable } from 'node:stream';
import { type Agent, request } from 'undici';
import { EngineError } from '../../core/errors.ts';
import { judgeOutbound, type OutboundAllow } from '../../core/outbound.ts';

const TIMEOUT_MS = 15_000;

const refused = (host: string, reason: string): EngineError =>
  new EngineError('forbidden', `stream: connection to "${host}" refused: ${reason}; OUTBOUND_ALLOW lists the exceptions`);

/**
 * Where a stream is, checked as all that leaves the worker: every address of its host must be public or allowed.
 * @returns the URL with the address that was checked in place of the name, for programs that connect by themselves; as it is where certificates name the host
 * @throws EngineError forbidden: an address is not public; unavailable: the name cannot be resolved
 */
export async function checkedStream(text: string, allow: OutboundAllow): Promise<string> {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = net.isIP(host) ? [{ address: host, family: net.isIP(host) }] : await resolve(host);
  for (const { address } of addresses) {
    const verdict = judgeOutbound({ host, address }, allow);
    if (!verdict.allowed) throw refused(host, verdict.reason);
  }
  const [first] = addresses;
  if (first && !['https:', 'rtsps:'].includes(url.protocol)) {
    url.hostname = first.family === 6 ? `[${first.address}]` : first.address;
  }
  return url.href;
}

async function resolve(host: string): Promise<{ address: string; family: number }[]> {
  try {
    return await lookup(host, { all: true });
  } catch (cause) {
    throw new EngineError('unavailable', `stream: "${host}" cannot be resolved: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}

/**
 * The bytes of an http stream, through the outbound guard.
 * @throws EngineError unavailable: it does not answer with 200
 */
export async function openHttpStream(agent: Agent, url: string, signal: AbortSignal): Promise<Readable> {
  const { statusCode, body } = await request(url, { method: 'GET', dispatcher: agent, headersTimeout: TIMEOUT_MS, signal });
  if (statusCode === 200) return body;
  await body.dump({ limit: 16_384 });
  throw new EngineError('unavailable', `stream: ${new URL(url).host} answered ${statusCode}`);
}
