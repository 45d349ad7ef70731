import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const UserSchema = defineEntity({
  name: 'User',
  tableName: 'users',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    username: p.string().length(50).unique('users_username_key'),
    email: p.string().length(100).nullable().unique('users_email_key'),
    role: p.enum(['admin', 'operator', 'user'] as const).default('user'),
    rights: p.array<string>().default([]),
    api_key: p.string().length(64).nullable().unique('users_api_key_key').hidden(),
    previous_api_key: p.string().length(64).nullable().hidden(),
    previous_api_key_until: p.datetime(3).nullable(),
    last_used_at: p.datetime(3).nullable(),
    quota: p.integer().nullable().default(100),
    used_quota: p.integer().default(0),
    storage_limit_mb: p.integer().nullable(),
    is_active: p.boolean().default(true),
    ...times,
  },
  checks: [
    { name: 'users_used_quota_check', expression: 'used_quota >= 0' },
    { name: 'users_quota_check', expression: 'quota >= 0' },
    { name: 'users_storage_limit_check', expression: 'storage_limit_mb >= 0' },
  ],
});

/**
 * Somebody who submits tasks. `api_key` is the SHA-256 (hex) of the key, shown once when made; the previous key stays valid until
 * `previous_api_key_until` during a rotation. `quota` null: unlimited. `storage_limit_mb`: what the files of their videos may take;
 * null: as VIDEO_STORAGE_MB says. `rights`: `shell` allows shell tasks.
 */
export class User extends UserSchema.class {
  /** True when this user may submit tasks that need `right`; administrators have all rights. */
  has(right: string): boolean {
    return this.role === 'admin' || this.rights.includes(right);
  }
}
UserSchema.setClass(User);
