import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { Config } from '../../config/env.ts';
import { EngineError } from '../../core/errors.ts';
import { parseImage, registryHost } from '../../core/image-reference.ts';
import { judgeOutbound, type OutboundAllow, parseOutboundAllow } from '../../core/outbound.ts';

/** From where images may come: the listed registries; without a list from anywhere (operators), or from public addresses (tasks of users). */
export type RegistryPolicy = { listed: ReadonlySet<string>; allow: OutboundAllow };

export const registryPolicy = (config: Partial<Pick<Config, 'IMAGE_REGISTRIES' | 'OUTBOUND_ALLOW'>>): RegistryPolicy => ({
  listed: new Set((config.IMAGE_REGISTRIES ?? []).map((registry) => registry.toLowerCase())),
  allow: parseOutboundAllow(config.OUTBOUND_ALLOW ?? []),
});

const refused = (registry: string, why: string): EngineError =>
  new EngineError('forbidden', `registry ${registry}: ${why}`, { details: { registry } });

/** @throws EngineError forbidden: there is a list, and the registry is not on it */
export function refuseUnlisted({ listed }: RegistryPolicy, image: string): void {
  const { registry } = parseImage(image);
  if (listed.size === 0 || listed.has(registry.toLowerCase())) return;
  throw refused(registry, 'is not listed in IMAGE_REGISTRIES');
}

/** Addresses of a host as this machine sees them; none when it cannot tell, and then the Engine will not reach it either. */
const addressesOf = async (host: string): Promise<string[]> =>
  net.isIP(host)
    ? [host]
    : await lookup(host, { all: true }).then(
        (found) => found.map(({ address }) => address),
        () => [],
      );

/**
 * What a task of a user may have fetched: listed registries, and those at public addresses. The Engine connects by itself, so this is no seal: a name may mean something
 * else a moment later. Who must be sure lists the registries.
 * @throws EngineError forbidden
 */
export async function refusePrivate(policy: RegistryPolicy, image: string): Promise<void> {
  refuseUnlisted(policy, image);
  const { registry } = parseImage(image);
  if (policy.listed.size > 0 || registry === 'docker.io') return;
  const host = registryHost(registry);
  for (const address of await addressesOf(host)) {
    const verdict = judgeOutbound({ host, address }, policy.allow);
    if (!verdict.allowed) throw refused(registry, `${verdict.reason}; list it in IMAGE_REGISTRIES or OUTBOUND_ALLOW`);
  }
}
