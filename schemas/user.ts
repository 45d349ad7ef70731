import { z } from 'zod';
import { Name } from './limits.ts';

export const Role = z.enum(['admin', 'operator', 'user']);
const Rights = z
  .array(z.enum(['shell']))
  .max(10)
  .transform((rights) => [...new Set(rights)])
  .describe('`shell`: may submit tasks that run commands on a worker');
const Quota = z.int().min(0).max(2_147_483_647).nullable().describe('null: unlimited');
const StorageMb = z.int().min(0).max(2_147_483_647).nullable().describe('MB of video files; null: as VIDEO_STORAGE_MB says');
const Email = z.email().max(100).nullable();

export const UserCreation = z
  .strictObject({
    username: Name.max(50),
    email: Email.default(null),
    role: Role.default('user'),
    rights: Rights.default([]),
    quota: Quota.default(100),
    storage_limit_mb: StorageMb.default(null),
  })
  .meta({ id: 'UserCreation' });
export type UserCreation = z.output<typeof UserCreation>;

export const UserChange = z
  .strictObject({
    email: Email.optional(),
    role: Role.optional(),
    rights: Rights.optional(),
    quota: Quota.optional(),
    storage_limit_mb: StorageMb.optional(),
    is_active: z.boolean().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'UserChange', minProperties: 1 });
export type UserChange = z.output<typeof UserChange>;

/** A user as the API shows it; never a key or its hash. */
export const User = z
  .object({
    id: z.int(),
    username: z.string(),
    email: z.string().nullable(),
    role: Role,
    rights: z.array(z.string()),
    quota: z.int().nullable(),
    used_quota: z.int(),
    storage_limit_mb: z.int().nullable(),
    is_active: z.boolean(),
    has_api_key: z.boolean(),
    previous_api_key_until: z.iso.datetime().nullable(),
    last_used_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'User' });
export type User = z.output<typeof User>;

/** A new user together with the key, which is shown this once. */
export const UserWithKey = User.extend({ api_key: z.string() }).meta({ id: 'UserWithKey' });

export const KeyRotation = z
  .strictObject({ grace_s: z.int().min(0).max(604_800).default(0).describe('seconds for which the key before stays valid') })
  .meta({ id: 'KeyRotation' });

/** A fresh key, shown this once. */
export const ApiKey = z.object({ api_key: z.string(), previous_valid_until: z.iso.datetime().nullable() }).meta({ id: 'ApiKey' });
export type ApiKey = z.output<typeof ApiKey>;
