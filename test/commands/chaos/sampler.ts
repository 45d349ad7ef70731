import { checkInvariants } from '../../../commands/invariants.ts';
import { INSTANCE_TRANSITIONS, TASK_TRANSITIONS } from '../../../core/states.ts';
import { type Em, query } from '../../../entities/sql.ts';

const moves = (table: Record<string, readonly string[]>): string =>
  Object.entries(table)
    .flatMap(([from, list]) => list.map((to) => `('${from}', '${to}')`))
    .join(', ');

const LIVE = `('starting', 'running')`;

/** Promises checked from outside, beside those that the engine checks itself; each statement returns what breaks it. */
const CHECKS: Record<string, string> = {
  'held on a worker above its total': `select w.id, sum(g.cpu), w.total_cpu from workers w join grants g on g.worker = w.id and g.released_at is null
    group by w.id having sum(g.cpu) > w.total_cpu or sum(g.memory_mb) > w.total_memory`,
  'held of the pool that is not resized above its total': `select sum(g.cpu) from grants g join pools p on p.name = g.pool
    where g.pool = 'pb' and g.released_at is null group by p.name having sum(g.cpu) > p.total_cpu or sum(g.memory_mb) > p.total_memory`,
  'held in a queue that is not resized above its capacity': `select g.queue, count(*) from grants g join queues q on q.name = g.queue
    where g.pool = 'pb' and g.released_at is null group by q.name, g.queue having count(*) > q.capacity`,
  'two live instances of one task': `select task_id from instances where status in ${LIVE} group by task_id having count(*) > 1`,
  'a counter below zero': `select name from queues where current_load < 0 union all select name from pools where used_cpu < 0 or used_memory < 0
    union all select id from workers where used_cpu < 0 or used_memory < 0`,
  'attempts that are not numbered': `select t.uuid, t.attempt, count(i.runid) from tasks t left join instances i on i.task_id = t.uuid
    group by t.uuid having count(i.runid) <> t.attempt or coalesce(max(i.attempt), 0) <> t.attempt`,
  'a task that waits although it was to be cancelled': `select uuid, status from tasks where status in ('queued', 'pending') and cancel_requested_at is not null`,
  'quota that is not what open and completed tasks cost': `select u.username, u.used_quota, sum(t.quota_cost) from users u join tasks t on t.user_id = u.id
    where t.status not in ('failed', 'cancelled') group by u.id having sum(t.quota_cost) <> u.used_quota`,
  'an end without a time, or a time without an end': `select uuid, status from tasks
    where (completed_at is not null) <> (status in ('completed', 'failed', 'cancelled'))`,
  'a completed task whose last instance did not complete': `select t.uuid, i.status from tasks t join instances i on i.task_id = t.uuid and i.attempt = t.attempt
    where (t.status = 'completed') <> (i.status = 'completed')`,
  'more retries than the policy grants': `select uuid from tasks where retries_used >= greatest(1, (retry_policy->>'max_attempts')::int)`,
  'an instance whose owner is not known by its lease': `select runid, status, lease_epoch from instances
    where (status = 'starting' and lease_epoch > 0) or (status = 'running' and lease_epoch = 0)`,
  'a recorded move that is not allowed': `select * from task_history where from_status is not null and case subject
    when 'task' then (from_status, to_status) not in (('pending', 'pending'), ${moves(TASK_TRANSITIONS)})
    else from_status <> to_status and (from_status, to_status) not in (${moves(INSTANCE_TRANSITIONS)}) end`,
  'an instance whose recorded end is not its state': `select i.runid, i.status from instances i, lateral (
    select to_status from task_history h where h.runid = i.runid order by id desc limit 1) h where h.to_status <> i.status`,
  'a lost instance that ran again although it may at most once': `select t.uuid from tasks t join instances i on i.task_id = t.uuid and i.status = 'lost'
    join instances n on n.task_id = t.uuid and n.attempt = i.attempt + 1 where t.at_most_once and not exists (
      select 1 from task_history h where h.task_id = t.uuid and h.reason = 'retry' and h.to_status = 'queued' and h.created_at >= i.end_time)`,
};

/** Looks at one committed moment from several sides. @returns one sentence for each promise that is broken */
export async function sample(em: Em): Promise<string[]> {
  const engine = (await checkInvariants(em)).filter((result) => result.violations.length > 0);
  return await em.transactional(
    async (tx) => {
      const findings = engine.map(({ name, violations }) => `${name}: ${JSON.stringify(violations[0])}`);
      for (const [name, sql] of Object.entries(CHECKS)) {
        const rows = await query(tx as Em, `select * from (${sql}) offenders limit 1`);
        if (rows[0]) findings.push(`${name}: ${JSON.stringify(rows[0])}`);
      }
      return findings;
    },
    { isolationLevel: 'repeatable read' as never, readOnly: true },
  );
}
