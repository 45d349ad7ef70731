import type { Cutoffs, Retained } from '../core/retention.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { DETECTION_STEPS } from './detection-retention.ts';
import { FLAMES_STEPS } from './retention-flames.ts';
import { NOTICE_STEPS } from './retention-notices.ts';
import { BATCH, byKey, LEAST, type Step, tally } from './retention-step.ts';

/** Where a run goes on within a table: the creation time and key of the last row that it looked at; null: from the oldest. */
export type Place = { created_at: string; key: string };

/** `removed`: rows by table, so far in this batch; `place` null: nothing old is left behind it. */
export type Batch = { removed: Record<string, number>; place: Place | null };

/** Instances whose log lines one batch looks through. */
const LOGS_OF = 250;

const FINAL_TASK = `status in ('completed', 'failed', 'cancelled')`;
const FINAL_INSTANCE = `status not in ('starting', 'running')`;

/** Rows are created before they end, so the index on created_at finds candidates, oldest first. */
const OLD_INSTANCE = `i.${FINAL_INSTANCE} and i.created_at < $1 and i.end_time < $1`;
/** Children are looked up row by row, as scalar queries, so that no plan ever reads a whole table of them for one batch. */
const HAS_LOGS = `((select l.seq from instance_logs l where l.runid = i.runid limit 1) is not null)`;
const OLD_TASK = `t.${FINAL_TASK} and t.created_at < $1 and coalesce(t.completed_at, t.updated_at) < $1`;

/** A task that a run would remove, as it removes old instances first. */
const GOING = `t.${FINAL_TASK} and t.created_at < $2 and coalesce(t.completed_at, t.updated_at) < $2
  and not exists (select 1 from instances i where i.task_id = t.uuid and (i.end_time is null or i.end_time >= $3))`;

/** The record of a task stays as long as the task. `stays`: which tasks do. */
const oldAudit = (
  stays: string,
): string => `a.created_at < $1 and case when a.subject_type = 'task' and pg_input_is_valid(a.subject_id, 'uuid')
  then (select t.uuid from tasks t where t.uuid = a.subject_id::uuid and ${stays}) is null else true end`;

/**
 * One table a step, in an order in which children go before their parents. Each statement removes at most 1,000 rows (or 1,000 tasks with their
 * histories) behind ($2, $3), and takes only what nobody else has locked. Log lines go from the end of an instance's output, so that what is
 * left is without gaps at every moment; the history of a task goes with it, since half of one would not add up.
 */
export const STEPS: Record<Retained, Step> = {
  ...NOTICE_STEPS,
  ...FLAMES_STEPS,
  idempotency_keys: {
    size: BATCH,
    start: LEAST.text,
    count: `select count(*)::int4 as n from idempotency_keys where created_at < $1`,
    batch: `with page as materialized (
        select user_id, key, created_at from idempotency_keys where created_at < $1 and (created_at, key) > ($2::timestamptz, $3)
        order by created_at, key limit ${BATCH} for update skip locked),
      gone as (delete from idempotency_keys k using page where k.user_id = page.user_id and k.key = page.key returning 1)
      ${tally('key')}`,
  },
  instance_logs: {
    size: LOGS_OF,
    start: LEAST.uuid,
    count: `select count(*)::int4 as n from instances i join instance_logs l on l.runid = i.runid where ${OLD_INSTANCE}`,
    batch: `with page as materialized (
        select i.runid, i.created_at from instances i where ${OLD_INSTANCE} and (i.created_at, i.runid) > ($2::timestamptz, $3::uuid)
          and ${HAS_LOGS}
        order by i.created_at, i.runid limit ${LOGS_OF}),
      doomed as materialized (
        select l.runid, l.seq from page cross join lateral (
          select l.runid, l.seq from instance_logs l where l.runid = page.runid order by l.seq desc limit ${BATCH}) l limit ${BATCH}),
      gone as (delete from instance_logs l using doomed d where l.runid = d.runid and l.seq = d.seq returning 1)
      ${tally('runid', { more: `(select count(*) / ${BATCH} from doomed)::int4` })}`,
  },
  instances: byKey({
    table: 'instances',
    as: 'i',
    key: 'runid',
    type: 'uuid',
    old: OLD_INSTANCE,
    free: `not ${HAS_LOGS} and (select g.released_at is null from grants g where g.runid = i.runid) is not true`,
    children: { table: 'grants', by: 'runid' },
  }),
  tasks: {
    ...byKey({
      table: 'tasks',
      as: 't',
      key: 'uuid',
      type: 'uuid',
      old: OLD_TASK,
      free: '(select i.runid from instances i where i.task_id = t.uuid limit 1) is null',
      children: { table: 'task_history', by: 'task_id' },
    }),
    needs: true,
    count: `select count(*)::int4 as n from tasks t where $1::timestamptz is not null and ${GOING}`,
  },
  audit_log: {
    ...byKey({ table: 'audit_log', as: 'a', key: 'id', type: 'int8', old: oldAudit('true') }),
    needs: true,
    count: `select count(*)::int4 as n from audit_log a where ${oldAudit(`(${GOING}) is not true`)}`,
  },
  ...DETECTION_STEPS,
};

type Row = { n: number; more: number; seen: number; children?: Record<string, number>; last: Place | null };

/** Removes the next old rows of a table, in the caller's transaction, which must be a short one of its own. Planned anew each time: tables shrink meanwhile. */
export async function removeBatch(tx: Em, table: Retained, at: { before: Date; place: Place | null }): Promise<Batch> {
  await query(tx, `set local orchestrator.retention = 'on'`);
  const { size, batch, start } = STEPS[table];
  const { created_at, key } = at.place ?? { created_at: '-infinity', key: start };
  const [row] = await queryOnce<Row>(tx, batch, [at.before.toISOString(), created_at, key]);
  const removed = { [table]: row?.n ?? 0, ...row?.children };
  if (row?.more) return { removed, place: at.place ?? { created_at, key } };
  return { removed, place: row && row.seen >= size ? row.last : null };
}

/** How many rows of a table a run would remove now, once it has removed their children. */
export async function countOld(em: Em, table: Retained, cutoffs: Cutoffs): Promise<number> {
  const before = cutoffs[table];
  if (!before) return 0;
  const { count, needs } = STEPS[table];
  const parents = needs ? [cutoffs.tasks, cutoffs.instances] : [];
  const rows = await query<{ n: number }>(
    em,
    count,
    [before, ...parents].map((at) => at?.toISOString() ?? null),
  );
  return rows[0]?.n ?? 0;
}
