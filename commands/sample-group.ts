import type { GroupLeaf } from '../core/sla.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';

/** What is watched. `id`: a name, or the id of a schedule. `bound_at`: since when; nothing before it counts. ms */
export type Subject = { type: 'pool' | 'queue' | 'template' | 'schedule'; id: string; bound_at: number };

/** How far a member has looked, in ms: `seen_at`, and the latest event up to there. */
export type Memory = { seen_at?: number; last_at?: number };

/** \`at\`: the database's clock. */
type Sampling = { subject: Subject; at: number; memory: Memory };
type Found = { value: number | null; memory: Memory };

const TASKS_OF: Record<Subject['type'], string> = {
  pool: 't.queue in (select name from queues where pool = $1)',
  queue: 't.queue = $1',
  template: 't.template = $1',
  schedule: '(t.source_id = $1::uuid or t.source_id in (select id from backfills where schedule_id = $1::uuid))',
};

const QUEUES_OF: Partial<Record<Subject['type'], string>> = {
  pool: 'queue in (select name from queues where pool = $1)',
  queue: 'queue = $1',
};

const iso = (at: number): string => new Date(at).toISOString();
const plain = (value: number | null | undefined): Found => ({ value: value ?? null, memory: {} });

/** One value of a group now; null: nothing to judge by. Ages in seconds, shares from 0 to 1. */
export async function sampleLeaf(em: Em, leaf: GroupLeaf, sampling: Sampling): Promise<Found> {
  const { subject, at } = sampling;
  switch (leaf.kind) {
    case 'failure_rate':
      return plain(await failureRate(em, leaf, sampling));
    case 'absence':
      return await age(em, leaf.of === 'start' ? STARTS : SUCCESSES, sampling);
    case 'freshness':
      return await age(em, FRESHEST, sampling);
    case 'missed_occurrence':
      return plain(await readValue(em, MISSED, [subject.id, iso(Math.max(subject.bound_at, at - leaf.window_s * 1000))]));
    case 'queue_depth':
      return plain(
        await readValue(em, `select count(*)::float8 as value from tasks where status = 'queued' and ${QUEUES_OF[subject.type]}`, [
          subject.id,
        ]),
      );
    case 'queue_oldest_age':
      return plain(await readValue(em, `${OLDEST} and ${QUEUES_OF[subject.type]}`, [subject.id]));
    case 'pool_utilisation':
      return plain(await readValue(em, UTILISATION, [subject.id]));
  }
}

async function readValue(em: Em, sql: string, values: unknown[]): Promise<number | null> {
  return (await query<{ value: number | null }>(em, sql, values))[0]?.value ?? null;
}

const MISSED = `select coalesce(sum(count), 0)::float8 as value from occurrences
  where schedule_id = $1::uuid and outcome in ('missed', 'failed_submit') and fired_at >= $2::timestamptz`;

const OLDEST = `select extract(epoch from clock_timestamp() - min(queued_at))::float8 as value from tasks where status = 'queued'`;

const UTILISATION = `select greatest(used_cpu / nullif(total_cpu + extra_cpu, 0), used_memory::numeric / nullif(total_memory + extra_memory, 0))::float8 as value
  from pools where name = $1`;

type Ends = { failed: number; completed: number };

/** Share of failed tasks among those that completed or failed in the window; cancelled ones say nothing. */
async function failureRate(em: Em, leaf: Extract<GroupLeaf, { kind: 'failure_rate' }>, { subject, at }: Sampling): Promise<number | null> {
  const from = iso(at - leaf.window_s * 1000);
  const ended = (status: string): string =>
    `(select count(*)::int4 from tasks t where t.status = '${status}' and t.completed_at > $2::timestamptz and ${TASKS_OF[subject.type]}) as ${status}`;
  const [ends] = await queryOnce<Ends>(em, `select ${ended('failed')}, ${ended('completed')}`, [subject.id, from]);
  const { failed = 0, completed = 0 } = ends ?? {};
  return failed + completed < leaf.min_runs ? null : failed / (failed + completed);
}

/** The latest event after an instant ($2), and up to where that was looked for. */
const latest = (event: string, from: string): string => `select (extract(epoch from max(${event})) * 1000)::float8 as value from ${from}`;
const COMPLETED = `tasks t where t.status = 'completed' and t.completed_at > $2::timestamptz`;
const SUCCESSES = latest('t.completed_at', COMPLETED);
const FRESHEST = latest('coalesce(t.nominal_at, t.eligible_at)', COMPLETED);
const STARTS = latest('i.start_time', 'instances i join tasks t on t.uuid = i.task_id where i.start_time > $2::timestamptz');

/** A transaction that was under way when the last sample was taken may have committed an end with an earlier time since. */
const OVERLAP_MS = 60_000;

/** Seconds since the latest event, or since the watch began. Looks only at what came since the last sample. */
async function age(em: Em, sql: string, { subject, at, memory }: Sampling): Promise<Found> {
  const seen_at = memory.seen_at ?? subject.bound_at;
  const from = Math.max(subject.bound_at, seen_at - OVERLAP_MS);
  const [found] = await queryOnce<{ value: number | null }>(em, `${sql} and ${TASKS_OF[subject.type]}`, [subject.id, iso(from)]);
  const last_at = Math.max(subject.bound_at, memory.last_at ?? 0, found?.value ?? 0);
  return { value: Math.max(0, at - last_at) / 1000, memory: { seen_at: at, last_at } };
}
