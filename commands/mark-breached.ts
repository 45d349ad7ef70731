import { type Em, query } from '../entities/sql.ts';

/** A running instance whose workflow does not show yet which SLAs its task has broken. */
export type UnmarkedInstance = { runid: string; workflow_id: string; task_id: string; slas: string[] };

/**
 * Instances to mark, each with its task's SLAs by name. Work that may still run inside its workflow's first task is left alone: a signal would have that task repeated.
 * Waves are never marked.
 */
export async function unmarkedInstances(em: Em): Promise<UnmarkedInstance[]> {
  return await query<UnmarkedInstance>(em, UNMARKED);
}

const UNMARKED = `
select i.runid, i.workflow_id, i.task_id, array_agg(distinct s.name order by s.name) as slas
from breaches b join instances i on i.task_id = b.task_id and i.status = 'running' and i.start_time < clock_timestamp() - interval '6 seconds' and i.workflow_id like 'task/%'
  join slas s on s.id = b.sla_id
where b.state <> 'resolved' group by i.runid having bool_or(b.marked_runid is distinct from i.runid) order by i.runid limit 50`;

/** Notes that an instance is marked, for all breaches of its task so far. */
export async function noteMarked(em: Em, { runid, task_id }: UnmarkedInstance): Promise<void> {
  await query(em, `update breaches set marked_runid = $1 where task_id = $2 and state <> 'resolved'`, [runid, task_id]);
}
