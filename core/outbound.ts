import ipaddr from 'ipaddr.js';
import { EngineError } from './errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What may be reached although it is private: networks, and host names with all their addresses. */
export type OutboundAllow = { networks: readonly [Address, number][]; hosts: ReadonlySet<string> };
export type OutboundVerdict = { allowed: true } | { allowed: false; reason: string };

/** The part of IPv6 that is routed in public; all else (site-local, IPv4-compatible, future use) is refused without a list of its own. */
const GLOBAL_V6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
const bare = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');

function parseNetwork(entry: string): [Address, number] | null {
  if (ipaddr.isValidCIDR(entry)) return ipaddr.parseCIDR(entry);
  const address = bare(entry);
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address)) return null;
  const parsed = ipaddr.parse(address);
  return [parsed, parsed.kind() === 'ipv4' ? 32 : 128];
}

/**
 * Reads a list of CIDRs, addresses and host names, as in OUTBOUND_ALLOW.
 * @throws EngineError invalid_input: an entry that is none of these
 */
export function parseOutboundAllow(entries: readonly string[]): OutboundAllow {
  const networks: [Address, number][] = [];
  const hosts = new Set<string>();
  for (const entry of entries) {
    const network = parseNetwork(entry);
    if (network) networks.push(network);
    else if (/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(entry) && !/^[\d.]+$/.test(entry))
      hosts.add(bare(entry));
    else
      throw new EngineError(
        'invalid_input',
        `outbound allow list: expected a CIDR, an address or a host name, got ${JSON.stringify(entry)}`,
      );
  }
  return { networks, hosts };
}

const v4At = (bytes: number[], at: number): ipaddr.IPv4 => new ipaddr.IPv4(bytes.slice(at, at + 4));

/** IPv4 inside IPv6: mapped, NAT64 (RFC 6052), 6to4, Teredo (inverted). What the packet finally reaches is what must be judged. */
function unwrap(address: Address): Address {
  if (address.kind() === 'ipv4') return address;
  const v6 = address as ipaddr.IPv6;
  const bytes = v6.toByteArray();
  switch (v6.range()) {
    case 'ipv4Mapped':
    case 'rfc6052':
    case 'rfc6145':
      return v4At(bytes, 12);
    case '6to4':
      return v4At(bytes, 2);
    case 'teredo':
      return new ipaddr.IPv4(bytes.slice(12).map((byte) => byte ^ 0xff));
    default:
      return v6;
  }
}

function inNetwork(address: Address, [network, bits]: readonly [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network as ipaddr.IPv4 & ipaddr.IPv6, bits);
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || inNetwork(address, GLOBAL_V6);
}

/**
 * Whether a connection to `address`, asked for as `host`, may be made. Only public unicast addresses may, and what the list allows.
 * @param target.address an IP literal as the resolver or the URL gave it; anything else is refused
 */
export function judgeOutbound(target: { host: string; address: string }, allow: OutboundAllow): OutboundVerdict {
  if (allow.hosts.has(bare(target.host))) return { allowed: true };
  const literal = bare(target.address);
  if (!ipaddr.IPv4.isValidFourPartDecimal(literal) && !ipaddr.IPv6.isValid(literal)) {
    return { allowed: false, reason: `"${target.address}" is not an IP address` };
  }
  const given = ipaddr.parse(literal);
  const address = unwrap(given);
  const listed = allow.networks.some((network) => inNetwork(given, network) || inNetwork(address, network));
  if (listed || isPublic(address)) return { allowed: true };
  const range = address.range() === 'unicast' ? 'reserved' : address.range();
  const inner = address === given ? '' : ` (${address.toString()} inside)`;
  return { allowed: false, reason: `address ${given.toString()}${inner} is ${range}, not public` };
}
