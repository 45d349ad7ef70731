import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const SecretSchema = defineEntity({
  name: 'Secret',
  tableName: 'secrets',
  properties: {
    name: p.text().primary(),
    ciphertext: p.blob().hidden(),
    key_id: p.text(),
    hosts: p.array<string>().default([]),
    granted_to: p.array<string>().default([]),
    ...times,
  },
});

/**
 * A named value that tasks refer to and nobody reads back: AES-256-GCM (12-byte nonce, ciphertext, 16-byte tag) under the key `key_id`.
 * `hosts`: where it may be sent (`api.example.org`, `*.example.org`); empty: only into environments. `granted_to`: user names, `*` for all.
 */
export class Secret extends SecretSchema.class {
  /** True when the user may refer to it in parameters. */
  isGrantedTo(username: string): boolean {
    return this.granted_to.includes('*') || this.granted_to.includes(username);
  }
}
SecretSchema.setClass(Secret);
