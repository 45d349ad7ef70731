import { findQueue } from '../entities/queue.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Actor } from './context.ts';
import { resumeSchedule } from './pause-schedule.ts';
import { writeAudit } from './write-audit.ts';

type Due = { id: string; held_by: string };

/**
 * Ends the holds of queues and the pauses of schedules that were made for a time, in the name of what made them. Whoever changed the status meanwhile took the
 * appointment away, so nothing of theirs is undone.
 * @returns how many
 */
export async function resumeDue(em: Em): Promise<number> {
  const queues = await query<Due>(em, QUEUES);
  for (const due of queues) await em.transactional(async (tx) => await resumeQueue(tx as Em, due));
  const schedules = await query<Due>(em, SCHEDULES);
  for (const due of schedules) await resumeOne(em, due);
  return queues.length + schedules.length;
}

const QUEUES = `select name as id, held_by from queues where resume_at <= clock_timestamp() order by name`;
const SCHEDULES = `select id, held_by from schedules where resume_at <= clock_timestamp() and deleted_at is null order by id`;

async function resumeQueue(em: Em, { id, held_by }: Due): Promise<void> {
  const before = await findQueue(em, id);
  const resumed = await query(
    em,
    `update queues set status = 'active', resume_at = null, held_by = null where name = $1 and status = 'hold' and resume_at <= clock_timestamp() returning name`,
    [id],
  );
  if (resumed.length === 0) return;
  const after = await findQueue(em, id);
  await writeAudit(em, { actor: held_by, action: 'queue.active', subject_type: 'queue', subject_id: id, before, after, request_id: null });
}

async function resumeOne(em: Em, { id, held_by }: Due): Promise<void> {
  const actor: Actor = { id: 0, username: 'dispatcher', role: 'admin', rights: [], acts_as: held_by };
  await em.transactional(async (tx) => {
    const due = await query(tx as Em, 'select 1 from schedules where id = $1 and resume_at <= clock_timestamp() for no key update', [id]);
    if (due.length > 0) await resumeSchedule({ em: tx as Em, actor, request_id: null }, id, false);
  });
}
