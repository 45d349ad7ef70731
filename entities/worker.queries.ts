import type { Worker } from '../schemas/worker.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

/** `lost_after_s`: silence in seconds after which a worker does not count as alive. */
export type WorkerFilter = { lost_after_s: number; pool?: string; status?: string };

const columns = (lostAfter: string): string => `w.id, w.pool, w.hostname, w.pid, w.version,
  ${['total_cpu', 'total_memory', 'used_cpu', 'used_memory'].map((c) => wireNumber(`w.${c}`)).join(', ')},
  w.engines, w.unavailable, w.status, ${wireTime('w.heartbeat_at')}, ${wireTime('w.started_at')}, ${wireTimes('w')},
  w.status <> 'offline' and w.heartbeat_at > now() - make_interval(secs => ${lostAfter}::float8) as alive`;

/** One worker as the API shows it. */
export async function findWorker(em: Em, id: string, lostAfterS: number): Promise<Worker | null> {
  return (await query<Worker>(em, `select ${columns('$2')} from workers w where w.id = $1`, [id, lostAfterS]))[0] ?? null;
}

/** Workers by id. */
export async function listWorkers(em: Em, filter: WorkerFilter, page: PageRequest): Promise<Page<Worker>> {
  const list = conditions();
  list.values.push(filter.lost_after_s);
  where(list, 'w.pool = ?', filter.pool);
  where(list, 'w.status = ?', filter.status);
  const keys = [{ column: 'w.id', kind: 'text' as const }];
  return await readPage(em, { columns: columns('$1'), from: 'workers w', conditions: list, sort: 'id', keys }, page);
}
