import { EngineError } from '../core/errors.ts';
import { findSecret } from '../entities/secret.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Secret, SecretCreation } from '../schemas/secret.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import type { Vault } from './secrets-vault.ts';

/** `replace`: an existing secret of that name is overwritten; otherwise it is a conflict. */
export type SecretStorage = { secret: SecretCreation; replace: boolean };

/**
 * Encrypts and stores a secret. Neither the audit row nor the answer holds its value.
 * @throws EngineError invalid_input: granted to a user who does not exist; conflict: the name is taken
 */
export async function storeSecret(ctx: CommandContext & { vault: Vault }, { secret, replace }: SecretStorage): Promise<Secret> {
  const { name, value, hosts, granted_to } = secret;
  return await audited(ctx, { action: 'secret.store', subject_type: 'secret', subject_id: name }, async (em) => {
    await refuseUnknownUsers(em, granted_to);
    const before = await findSecret(em, name);
    const sql = `${INSERT} ${replace ? REPLACE : 'on conflict do nothing'} returning name`;
    const stored = await query(em, sql, [name, ctx.vault.encrypt(value), ctx.vault.key_id, hosts, granted_to]);
    if (stored.length === 0) throw new EngineError('conflict', `secret "${name}": exists already; PUT replaces it`);
    const after = (await findSecret(em, name)) as Secret;
    return { before, after, result: after };
  });
}

const INSERT = 'insert into secrets (name, ciphertext, key_id, hosts, granted_to) values ($1, $2, $3, $4::text[], $5::text[])';
const REPLACE = `on conflict (name) do update set ciphertext = excluded.ciphertext, key_id = excluded.key_id, hosts = excluded.hosts,
  granted_to = excluded.granted_to`;

async function refuseUnknownUsers(em: Em, names: readonly string[]): Promise<void> {
  const sql = `select n.name, n.at::int4 - 1 as at from unnest($1::text[]) with ordinality as n(name, at)
    where n.name <> '*' and not exists (select 1 from users where username = n.name)`;
  const unknown = await query<{ name: string; at: number }>(em, sql, [names]);
  if (unknown.length === 0) return;
  const errors = unknown.map(({ name, at }) => ({ pointer: `/granted_to/${at}`, detail: `user "${name}": there is none` }));
  throw new EngineError('invalid_input', `granted_to: ${errors[0]?.detail}`, { errors });
}
