import type { QueueState } from '../core/admission-state.ts';
import { fairNeed } from '../core/fair-share.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Group } from './snapshot.ts';

const BATCH = 1_000;

/** Groups of tasks that were made when their queue was fair and is not any more, or the other way round. */
export function mixedGroups(groups: readonly (Group & { user: number })[], queues: readonly QueueState[]): Group[] {
  const fairness = new Map(queues.map((queue) => [queue.name, queue.fairness]));
  return groups.filter(({ queue, need, user }) => fairNeed(need, fairness.get(queue) ?? 'none', user) !== need);
}

/** Gives the tasks of such groups the need that their queue asks for now, a thousand at a time. @returns how many */
export async function regroupTasks(em: Em, groups: readonly Group[]): Promise<number> {
  if (groups.length === 0) return 0;
  return (await query(em, REGROUP, [groups.map(({ queue }) => queue), groups.map(({ need }) => need), BATCH])).length;
}

const REGROUP = `
with x as (
  select t.uuid, split_part(t.need, '|user ', 1) || case when q.fairness = 'user' then '|user ' || t.user_id else '' end as need
  from unnest($1::text[], $2::text[]) as g(queue, need) join queues q on q.name = g.queue
    join tasks t on t.queue = g.queue and t.need = g.need and t.status = 'queued'
  limit $3 for no key update of t skip locked)
update tasks set need = x.need from x where tasks.uuid = x.uuid and tasks.need <> x.need returning 1`;
