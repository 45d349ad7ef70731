import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import net from 'node:net';
import { Agent, buildConnector } from 'undici';
import { EngineError } from '../core/errors.ts';
import { judgeOutbound, type OutboundAllow } from '../core/outbound.ts';

type Resolve = (
  host: string,
  options: { all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;
type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

const refused = (host: string, reason: string): EngineError =>
  new EngineError('forbidden', `connection to "${host}" refused: ${reason}; OUTBOUND_ALLOW lists the exceptions`, {
    details: { outbound: 'refused', host, reason },
  });

/** Whether an error, or what caused it, is a refusal by the guard. */
export function isOutboundRefusal(error: unknown): error is EngineError {
  return error instanceof EngineError && error.code === 'forbidden' && error.details.outbound === 'refused';
}

/**
 * Checks a URL before anything is done with it.
 * @throws EngineError invalid_input: not a URL, neither http nor https, or with credentials in it
 */
export function parseOutboundUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new EngineError('invalid_input', `url ${JSON.stringify(text.slice(0, 200))}: not a valid URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new EngineError('invalid_input', `url: expected http or https, got "${url.protocol.slice(0, -1)}"`);
  }
  if (url.username || url.password)
    throw new EngineError('invalid_input', 'url: credentials in a URL are refused; use a header with a secret');
  url.hash = '';
  return url;
}

/** Why a name with these addresses must not be reached, or null: one bad address refuses it, so that a retry cannot hit it. */
function refusalOf(host: string, addresses: readonly LookupAddress[], allow: OutboundAllow): EngineError | null {
  if (addresses.length === 0) return refused(host, 'the name has no address');
  for (const { address } of addresses) {
    const verdict = judgeOutbound({ host, address }, allow);
    if (!verdict.allowed) return refused(host, verdict.reason);
  }
  return null;
}

/** A resolver for sockets that hands out checked addresses only, so the socket connects to what was checked. */
function guardedLookup(allow: OutboundAllow, resolve: Resolve) {
  return (host: string, options: { all?: boolean }, done: LookupDone): void => {
    resolve(host, { all: true }, (error, addresses) => {
      const failure = error ?? refusalOf(host, addresses, allow);
      if (failure) done(failure, []);
      else if (options.all) done(null, addresses);
      else done(null, addresses[0]?.address ?? '', addresses[0]?.family);
    });
  };
}

/**
 * An undici Agent that connects to public addresses only, whatever name, literal or redirect led there; it knows no proxies.
 * IP literals are judged here because sockets never ask the resolver for them. Kept connections were judged when they were made.
 * @param resolve replaces DNS in tests
 */
export function createOutboundAgent(allow: OutboundAllow, resolve: Resolve = systemLookup as Resolve): Agent {
  const connect = buildConnector({ timeout: 15_000, allowH2: false, lookup: guardedLookup(allow, resolve) as never });
  const guarded: buildConnector.connector = (options, done) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    const verdict = net.isIP(host) ? judgeOutbound({ host, address: host }, allow) : { allowed: true as const };
    if (verdict.allowed) connect(options, done);
    else done(refused(host, verdict.reason), null);
  };
  return new Agent({ connect: guarded, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 4_000, keepAliveMaxTimeout: 30_000 });
}
