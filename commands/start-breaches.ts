import { type Em, query } from '../entities/sql.ts';

/** What starting the workflow of a breach needs. `task` null: its subject is a group. `acts`: there is something to do. */
export type StartableBreach = {
  id: string;
  sla: string;
  title: string;
  task: string | null;
  queue: string | null;
  template: string | null;
  acts: boolean;
};

/** After so long a start that was not confirmed is tried again. */
const LEASE_S = 10;
/** A workflow that was started and has left actions undone for so long is started again: doing an action twice does nothing. */
const UNDONE_S = 60;

/**
 * The outbox of breaches: those whose workflow nobody is known to have started, and those whose workflow was lost. Taken for some seconds, so that several processes
 * do not all start them.
 */
export async function startableBreaches(em: Em, limit: number): Promise<StartableBreach[]> {
  return await query<StartableBreach>(em, TAKE, [limit, LEASE_S, UNDONE_S]);
}

const TAKE = `
with due as (
  select id from breaches where id in (
    (select id from breaches where workflow_at is null and (lease_at is null or lease_at < clock_timestamp() - make_interval(secs => $2)) order by id limit $1)
    union
    (select b.id from breach_actions a join breaches b on b.id = a.breach_id
      where a.state = 'waiting' and b.workflow_at < clock_timestamp() - make_interval(secs => $3)
        and (b.lease_at is null or b.lease_at < clock_timestamp() - make_interval(secs => $3)) limit $1))
  order by id for no key update skip locked),
taken as (update breaches b set lease_at = clock_timestamp() from due where b.id = due.id returning b.*)
select b.id, s.name as sla, s.name || ': ' || b.condition || ' ' || b.stage || ' % of ' || b.subject_type || ' ' || b.subject_id as title, b.task_id as task, t.queue, t.template,
  exists (select 1 from breach_actions a where a.breach_id = b.id) as acts
from taken b join slas s on s.id = b.sla_id left join tasks t on t.uuid = b.task_id order by b.id`;

/** Notes that Temporal has the workflow. */
export async function noteStarted(em: Em, id: string): Promise<void> {
  await query(em, 'update breaches set workflow_at = clock_timestamp() where id = $1', [id]);
}
