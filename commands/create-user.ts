import { EngineError } from '../core/errors.ts';
import { query } from '../entities/sql.ts';
import { findUser } from '../entities/user.queries.ts';
import type { User, UserCreation } from '../schemas/user.ts';
import { newApiKey } from './api-key.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';

/**
 * Makes a user with a first API key, which only this answer shows.
 * @throws EngineError conflict: name or e-mail address is taken
 */
export async function createUser(ctx: CommandContext, creation: UserCreation): Promise<User & { api_key: string }> {
  return await audited(ctx, { action: 'user.create', subject_type: 'user', subject_id: null }, async (em) => {
    const values = [creation.username, creation.email, creation.role, creation.rights, creation.quota, creation.storage_limit_mb];
    const [made] = await query<{ id: number }>(em, INSERT, values);
    if (!made) throw new EngineError('conflict', `user "${creation.username}": the name or the e-mail address is taken`);
    const { key, hash } = newApiKey(made.id);
    await query(em, 'update users set api_key = $2 where id = $1', [made.id, hash]);
    const user = (await findUser(em, made.id)) as User;
    return { before: null, after: user, result: { ...user, api_key: key }, subject_id: String(made.id) };
  });
}

const INSERT = `insert into users (username, email, role, rights, quota, storage_limit_mb) values ($1, $2, $3, $4::text[], $5, $6)
  on conflict do nothing returning id::float8 as id`;
