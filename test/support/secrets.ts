import { createVault } from '../../commands/secrets-vault.ts';
import { type Em, query } from '../../entities/sql.ts';

const KEY = Buffer.alloc(32, 7);

/** SECRETS_KEY of processes that shall read what `storeTestSecret` wrote. */
export const VAULT_KEY = KEY.toString('base64');

type TestSecret = { name: string; value: string; hosts: string[]; granted_to: string[] };

/** Stores a secret as an administrator would. */
export async function storeTestSecret(em: Em, { name, value, hosts, granted_to }: TestSecret): Promise<void> {
  const vault = createVault(KEY);
  const sql = 'insert into secrets (name, ciphertext, key_id, hosts, granted_to) values ($1, $2, $3, $4, $5)';
  await query(em, sql, [name, vault.encrypt(value), vault.key_id, hosts, granted_to]);
}
