import { EngineError } from '../core/errors.ts';
import { Secret } from '../entities/secret.ts';
import type { Em } from '../entities/sql.ts';
import { User } from '../entities/user.ts';
import type { Vault } from './secrets-vault.ts';

/** `user_id`: the task's user; `host`: where the value is about to be sent, null for an environment. */
export type SecretRequest = { name: string; user_id: number; host: string | null };

/** True when `host` is one of `allowed`: exactly, or below a `*.suffix`. Names compare without case and final dot. */
export function hostAllowed(allowed: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return allowed
    .map((pattern) => pattern.toLowerCase())
    .some((pattern) => (pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern));
}

/**
 * The value of a secret for a task. A secret bound to hosts goes to those only, never into an environment; one without hosts goes into
 * environments only. One that is not granted to the user looks like one that does not exist.
 * @throws EngineError not_found; forbidden: wrong destination or inactive user
 */
export async function resolveSecret(em: Em, vault: Vault, request: SecretRequest): Promise<string> {
  const user = await em.findOne(User, { id: request.user_id });
  const secret = await em.findOne(Secret, { name: request.name });
  if (!secret || !user || !(user.role === 'admin' || secret.isGrantedTo(user.username))) {
    throw new EngineError('not_found', `secret "${request.name}": no such secret is granted to the task's user`);
  }
  if (!user.is_active) throw new EngineError('forbidden', `secret "${request.name}": the task's user is not active`);
  refuseDestination(secret, request.host);
  if (secret.key_id !== vault.key_id)
    throw new EngineError('internal', `secret "${request.name}": encrypted under another key than this process has`);
  return vault.decrypt(secret.ciphertext);
}

function refuseDestination(secret: Secret, host: string | null): void {
  const allowed = host === null ? secret.hosts.length === 0 : hostAllowed(secret.hosts, host);
  if (allowed) return;
  const expected = secret.hosts.length === 0 ? 'environments only' : secret.hosts.join(', ');
  throw new EngineError('forbidden', `secret "${secret.name}": may be sent to ${expected}, not to ${host ?? 'an environment'}`);
}
