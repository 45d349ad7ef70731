import type { Pool } from '../schemas/pool.ts';
import { conditions, type Page, type PageRequest, readPage } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireNumber, wireTimes } from './wire.ts';

const COLUMNS = `p.name, ${['total_cpu', 'total_memory', 'used_cpu', 'used_memory', 'extra_cpu', 'extra_memory'].map((c) => wireNumber(`p.${c}`)).join(', ')},
  p.status, p.sla_id, ${wireTimes('p')}`;

/** One pool as the API shows it. */
export async function findPool(em: Em, name: string): Promise<Pool | null> {
  return (await query<Pool>(em, `select ${COLUMNS} from pools p where p.name = $1`, [name]))[0] ?? null;
}

/** Pools by name. */
export async function listPools(em: Em, page: PageRequest): Promise<Page<Pool>> {
  const keys = [{ column: 'p.name', kind: 'text' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'pools p', conditions: conditions(), sort: 'name', keys }, page);
}
