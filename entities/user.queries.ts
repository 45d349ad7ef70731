import type { User } from '../schemas/user.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const COLUMNS = `${wireNumber('u.id')}, u.username, u.email, u.role, u.rights, u.quota, u.used_quota, u.storage_limit_mb, u.is_active,
  u.api_key is not null as has_api_key, ${wireTime('u.previous_api_key_until')}, ${wireTime('u.last_used_at')}, ${wireTimes('u')}`;

/** One user as the API shows it. */
export async function findUser(em: Em, id: number): Promise<User | null> {
  return (await query<User>(em, `select ${COLUMNS} from users u where u.id = $1`, [id]))[0] ?? null;
}

/** Users by id. */
export async function listUsers(em: Em, filter: { role?: string; is_active?: boolean }, page: PageRequest): Promise<Page<User>> {
  const list = conditions();
  where(list, 'u.role = ?', filter.role);
  where(list, 'u.is_active = ?', filter.is_active);
  const keys = [{ column: 'u.id', kind: 'integer' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'users u', conditions: list, sort: 'id', keys }, page);
}
