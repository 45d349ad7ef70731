import { lookup as systemLookup, type LookupAddress } from 'node:dns';
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

/** A resolver for sockets that hands out checked addresses only: one bad address refuses the name, and the socket connects to what was checked. */
function guardedLookup(allow: OutboundAllow, resolve: Resolve) {
  return (host: string, options: { all?: boolean }, done: LookupDone): void => {
    resolve(host, { all: true }, (error, addresses) => {
      if (error) return done(error, []);
      for (const { address } of addresses) {
        const verdict = judgeOutbound({ host, address }, allow);
        if (!verdict.allowed) return done(refused(host, verdict.reason), []);
      }
      const [first] = addresses;
      if (!first) return done(refused(host, 'the name has no address'), []);
      return options.all ? done(null, addresses) : done(null, first.address, first.family);
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
