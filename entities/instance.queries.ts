import type { InstanceStatus } from '../core/states.ts';
import type { Instance, LogLine } from '../schemas/instance.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const COLUMNS = `i.runid, i.task_id, t.template, t.type, t.queue, i.attempt, i.status, i.worker, i.workflow_id, i.temporal_run_id,
  ${['start_time', 'end_time', 'heartbeat_at', 'cancel_requested_at'].map((c) => wireTime(`i.${c}`)).join(', ')},
  ${wireNumber('i.cpu')}, i.memory_mb, i.timeout, i.progress, i.progress_note, i.code, i.result, i.error, i.tags, i.log_lines, i.log_lines_cut,
  ${wireTimes('i')}`;
const FROM = 'instances i join tasks t on t.uuid = i.task_id';

/** One instance as the API shows it; null when there is none or its task is somebody else's. */
export async function findInstance(em: Em, runid: string, scope: Scope): Promise<Instance | null> {
  const rows = await query<Instance>(em, `select ${COLUMNS} from ${FROM} where i.runid = $1 and ($2::int8 is null or t.user_id = $2)`, [
    runid,
    scope.user_id,
  ]);
  return rows[0] ?? null;
}

/** Filters that are absent are undefined. */
export type InstanceFilter = {
  task?: string;
  status?: InstanceStatus[];
  worker?: string;
  queue?: string;
  template?: string;
  created_after?: string;
  created_before?: string;
};

/** Instances by filter, newest first unless `oldest_first`; one page in one statement. */
export async function listInstances(
  em: Em,
  filter: InstanceFilter & Scope & { oldest_first: boolean },
  page: PageRequest,
): Promise<Page<Instance>> {
  const list = conditions();
  where(list, 't.user_id = ?', filter.user_id);
  where(list, 'i.task_id = ?', filter.task);
  where(list, 'i.status = any(?::text[])', filter.status);
  where(list, 'i.worker = ?', filter.worker);
  where(list, 't.queue = ?', filter.queue);
  where(list, 't.template = ?', filter.template);
  where(list, 'i.created_at > ?::timestamptz', filter.created_after);
  where(list, 'i.created_at < ?::timestamptz', filter.created_before);
  const keys: Key[] = [
    { column: 'i.created_at', kind: 'time' },
    { column: 'i.runid', kind: 'uuid' },
  ];
  const sort = filter.oldest_first ? 'created_at' : '-created_at';
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort, keys }, page);
}

/** `after`: lines with a greater `seq` only. `stream` null: all streams. */
export type LogRequest = { runid: string; after: number; limit: number; stream: LogLine['stream'] | null };
export type LogTail = { status: InstanceStatus; lines: LogLine[] };

/**
 * The state of an instance and its next lines, from one snapshot: with a final state and fewer lines than `limit`, no line is missing,
 * since lines are stored before the instance ends. Null: there is no such instance.
 */
export async function readLogTail(em: Em, { runid, after, limit, stream }: LogRequest): Promise<LogTail | null> {
  const rows = await query<LogTail>(em, TAIL, [runid, after, limit, stream]);
  return rows[0] ?? null;
}

const TAIL = `
select i.status, coalesce((
  select json_agg(json_build_object('seq', l.seq, 'stream', l.stream, 'line', l.line, 'created_at', l.at) order by l.seq)
  from (select seq, stream, line, ${wireTime('created_at', 'at')} from instance_logs
        where runid = i.runid and seq > $2 and ($4::text is null or stream = $4) order by seq limit $3) l), '[]') as lines
from instances i where i.runid = $1`;

/** The last instance of a task, null before the first. */
export async function lastRunid(em: Em, task: string): Promise<string | null> {
  const rows = await query<{ runid: string }>(em, 'select runid from instances where task_id = $1 order by attempt desc limit 1', [task]);
  return rows[0]?.runid ?? null;
}
