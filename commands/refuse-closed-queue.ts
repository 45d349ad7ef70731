import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { LockedTask } from './lock-task.ts';

type Target = {
  status: string;
  pool: string;
  pool_status: string;
  total_cpu: number;
  total_memory: number;
  max_depth: number | null;
  depth: number;
};

/**
 * Whether a queue takes a task that is moved there, by the rules of a submission.
 * @throws EngineError invalid_input: there is none; conflict: it or its pool drains; unsatisfiable: larger than its pool; too_many: `max_depth`
 */
export async function refuseClosedQueue(em: Em, task: LockedTask, name: string): Promise<void> {
  const [target] = await query<Target>(em, TARGET, [name]);
  if (!target) throw refusal('invalid_input', `queue "${name}": there is none`);
  if (target.status === 'drain') throw refusal('conflict', `queue "${name}" is draining: it takes no new tasks`);
  if (target.pool_status === 'drain') throw refusal('conflict', `pool "${target.pool}" is draining: it takes no new tasks`);
  if (task.cpu > target.total_cpu || task.memory_mb > target.total_memory) {
    const has = `pool "${target.pool}" has ${target.total_cpu} cores and ${target.total_memory} MB in all`;
    throw refusal('unsatisfiable', `${task.cpu} cores and ${task.memory_mb} MB needed, ${has}`);
  }
  if (target.max_depth !== null && target.depth + 1 > target.max_depth) {
    throw refusal('too_many', `queue "${name}": ${target.depth} tasks wait, one more exceeds its max_depth of ${target.max_depth}`);
  }
}

const refusal = (code: 'invalid_input' | 'conflict' | 'unsatisfiable' | 'too_many', detail: string): EngineError =>
  new EngineError(code, detail, { errors: [{ pointer: '/queue', detail }] });

const TARGET = `
select q.status, q.max_depth, p.name as pool, p.status as pool_status, p.total_cpu::float8 as total_cpu, p.total_memory::float8 as total_memory,
  case when q.max_depth is null then 0 else (select count(*)::int4 from tasks where tasks.queue = q.name and tasks.status = 'queued') end as depth
from queues q join pools p on p.name = q.pool where q.name = $1`;
