import type { Secret } from '../schemas/secret.ts';
import { conditions, type Page, type PageRequest, readPage } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireTimes } from './wire.ts';

const COLUMNS = `s.name, s.hosts, s.granted_to, ${wireTimes('s')}`;

/** What may be shown of a secret. */
export async function findSecret(em: Em, name: string): Promise<Secret | null> {
  return (await query<Secret>(em, `select ${COLUMNS} from secrets s where s.name = $1`, [name]))[0] ?? null;
}

/** Secrets by name, without values. */
export async function listSecrets(em: Em, page: PageRequest): Promise<Page<Secret>> {
  const keys = [{ column: 's.name', kind: 'text' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'secrets s', conditions: conditions(), sort: 'name', keys }, page);
}
