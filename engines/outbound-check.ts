import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { EngineError } from '../core/errors.ts';
import { judgeOutbound, type OutboundAllow } from '../core/outbound.ts';
import { within } from '../entities/within.ts';
import { parseOutboundUrl } from './outbound-guard.ts';

const LOOKUP_MS = 2_000;
/** Names that mean this machine or its surroundings wherever they are asked. */
const LOCAL_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa|localdomain)$|^[^.]+$/;

/**
 * Why an address that is about to be stored can never be reached, or null. The guard judges again at each connection; this one only spares a user the wait. A name
 * that cannot be resolved now may be there tomorrow and passes.
 * @param resolve replaces DNS in tests
 */
export async function refusalOfUrl(
  text: string,
  allow: OutboundAllow,
  resolve: (host: string) => Promise<{ address: string }[]> = (host) => lookup(host, { all: true }),
): Promise<string | null> {
  try {
    const host = parseOutboundUrl(text).hostname.replace(/^\[|\]$/g, '');
    if (allow.hosts.has(host.replace(/\.$/, ''))) return null;
    if (net.isIP(host)) return refusalOf(host, [{ address: host }], allow);
    const addresses = await within(LOOKUP_MS, host, resolve(host)).catch(() => []);
    if (addresses.length > 0) return refusalOf(host, addresses, allow);
    return LOCAL_NAME.test(host.replace(/\.$/, '')) ? `"${host}" is a name of this machine's surroundings, not public` : null;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}

function refusalOf(host: string, addresses: readonly { address: string }[], allow: OutboundAllow): string | null {
  for (const { address } of addresses) {
    const verdict = judgeOutbound({ host, address }, allow);
    if (!verdict.allowed) return `"${host}": ${verdict.reason}`;
  }
  return null;
}
