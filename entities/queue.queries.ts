import type { Queue } from '../schemas/queue.ts';
import { conditions, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireTime, wireTimes } from './wire.ts';

const COLUMNS = `q.name, q.pool, q.capacity, q.current_load, q.status, q.priority, q.step_s, q.max_depth, q.policy, q.reserve_after_s,
  q.strict_priority, q.rate_limit, q.fairness, q.sla_id, ${wireTime('q.resume_at')},
  (select count(*)::int4 from tasks t where t.queue = q.name and t.status = 'queued') as depth, ${wireTimes('q')}`;

/** One queue as the API shows it. */
export async function findQueue(em: Em, name: string): Promise<Queue | null> {
  return (await query<Queue>(em, `select ${COLUMNS} from queues q where q.name = $1`, [name]))[0] ?? null;
}

/** Queues by name. */
export async function listQueues(em: Em, filter: { pool?: string; status?: string }, page: PageRequest): Promise<Page<Queue>> {
  const list = conditions();
  where(list, 'q.pool = ?', filter.pool);
  where(list, 'q.status = ?', filter.status);
  const keys = [{ column: 'q.name', kind: 'text' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'queues q', conditions: list, sort: 'name', keys }, page);
}
