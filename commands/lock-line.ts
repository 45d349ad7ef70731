import { type Em, query } from '../entities/sql.ts';

/**
 * Locks a task and what its end will settle, upstream first, before anything else is locked: whoever ends a task that others wait for also
 * touches those, and users' quotas between the two. For tasks that nobody waits for it need not be called.
 * @param ends_badly also locks, transitively, what will be cancelled because the task did not succeed
 */
export async function lockLine(em: Em, uuid: string, ends_badly: boolean): Promise<void> {
  await query(em, LINE, [uuid, ends_badly]);
}

const LINE = `
with recursive line as (
  select $1::uuid as uuid, true as ends
  union
  select d.task_id, $2 and d.condition = 'succeeded' from line join task_dependencies d on d.upstream_id = line.uuid and d.state = 'open' where line.ends)
select t.uuid from tasks t where t.uuid in (select uuid from line) order by t.uuid for no key update of t`;
