import type { AuthConfig } from 'dockerode';
import { EngineError } from '../../core/errors.ts';
import { parseImage, registryHost } from '../../core/image-reference.ts';
import type { EngineContext } from '../define-engine.ts';

/** How the Engine shows itself to the registry, and what must never be shown. */
export type Credentials = { auth: AuthConfig; hidden: string[] };

/** @throws EngineError invalid_input: neither `user:password` nor a JSON object with both */
function readSecret(value: string, name: string): { username: string; password: string } {
  const refused = new EngineError('invalid_input', `secret "${name}": expected user:password, or {"username": …, "password": …}`);
  if (!value.trimStart().startsWith('{')) {
    const colon = value.indexOf(':');
    if (colon < 1) throw refused;
    return { username: value.slice(0, colon), password: value.slice(colon + 1).trimEnd() };
  }
  try {
    const { username, password } = JSON.parse(value) as Record<string, unknown>;
    if (typeof username === 'string' && typeof password === 'string') return { username, password };
  } catch {
    throw refused;
  }
  throw refused;
}

/**
 * The credentials of a named secret for the image's registry; null: none were asked for.
 * @throws EngineError forbidden, not_found: not for this user or host; invalid_input: not credentials
 */
export async function credentialsFor(image: string, secret: string | undefined, context: EngineContext): Promise<Credentials | null> {
  if (secret === undefined) return null;
  const { registry } = parseImage(image);
  const { username, password } = readSecret(await context.secret(secret, registryHost(registry)), secret);
  const serveraddress = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  return { auth: { username, password, serveraddress } as AuthConfig, hidden: [password] };
}
