import type { TaskStatus } from '../core/states.ts';
import type { HistoryEntry } from '../schemas/history.ts';
import type { Dependency, Task } from '../schemas/task.ts';
import { type Conditions, conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import { jsonTime, wireNumber, wireTime, wireTimes } from './wire.ts';

/** Whose tasks are visible: those of `user_id`, or all with null. */
export type Scope = { user_id: number | null };

/** Of each condition the clock that runs or ran last. */
const SLAS = `coalesce((select jsonb_agg(jsonb_build_object('sla_id', s.id, 'name', s.name, 'version', v.version, 'condition', x.name, 'kind', x.kind,
    'due_at', ${jsonTime('x.due_at')}, 'state', case when x.paused_at is not null and x.stopped_at is null then 'paused' else x.state end) order by s.priority desc, s.id, x.path)
  from task_slas p join slas s on s.id = p.sla_id join sla_versions v on v.id = p.sla_version_id, lateral (
    select distinct on (k.path) k.path, k.name, k.kind, c.due_at, c.state, c.paused_at, c.stopped_at from sla_conditions k join sla_clocks c on c.condition_id = k.id
    where k.sla_version_id = p.sla_version_id and k.parent is null and c.task_id = t.uuid order by k.path, c.epoch desc) x
  where p.task_id = t.uuid), '[]') as slas`;
const COLUMNS = `t.uuid, t.name, t.template, v.version as template_version, t.type, t.status, t.pending_reason, t.status_reason, t.parameters,
  t.queue, u.username as user, t.priority, t.timeout, ${wireNumber('t.cpu')}, t.memory_mb, t.tags, t.attempt, t.retries_used, t.progress,
  (select i.runid from instances i where i.task_id = t.uuid order by i.attempt desc limit 1) as runid,
  ${['cancel_requested_at', 'not_before', 'eligible_at', 'queued_at', 'started_at', 'completed_at', 'held_at', 'due_at', 'deadline'].map((c) => wireTime(`t.${c}`)).join(', ')},
  ${SLAS},
  t.waits_for, t.queue_timeout_s, t.start_timeout_s, t.total_timeout_s, t.result, t.error, ${wireTimes('t')}`;
const FROM = 'tasks t join template_versions v on v.id = t.template_version_id join users u on u.id = t.user_id';

/** One task as the API shows it; null when there is none or it is somebody else's. */
export async function findTask(em: Em, uuid: string, scope: Scope): Promise<Task | null> {
  const rows = await query<Task>(em, `select ${COLUMNS} from ${FROM} where t.uuid = $1 and ($2::int8 is null or t.user_id = $2)`, [
    uuid,
    scope.user_id,
  ]);
  return rows[0] ?? null;
}

/** Filters that are absent are undefined. `tags`: all of them must be there; `q`: part of the name, without case; times are exclusive bounds. */
export type TaskFilter = {
  uuids?: string[];
  status?: TaskStatus[];
  queue?: string;
  template?: string;
  type?: string;
  tags?: Record<string, string>;
  created_after?: string;
  created_before?: string;
  user?: string;
  q?: string;
};

export const TASK_SORTS = ['-created_at', 'created_at', '-priority', 'priority', '-updated_at', 'updated_at'] as const;
export type TaskSort = (typeof TASK_SORTS)[number];

const sortKey = (sort: TaskSort): Key => {
  const field = sort.replace('-', '');
  return { column: `t.${field}`, kind: field === 'priority' ? 'integer' : 'time' };
};

const contains = (part: string): string => `%${part.replaceAll(/[\\%_]/g, '\\$&')}%`;

/** The clauses of a filter, upon `tasks t`. */
export function taskConditions(filter: TaskFilter & Scope): Conditions {
  const list = conditions();
  where(list, 't.uuid = any(?::uuid[])', filter.uuids);
  where(list, 't.user_id = ?', filter.user_id);
  where(list, 't.status = any(?::text[])', filter.status);
  where(list, 't.queue = ?', filter.queue);
  where(list, 't.template = ?', filter.template);
  where(list, 't.type = ?', filter.type);
  where(list, 't.tags @> ?::jsonb', filter.tags && JSON.stringify(filter.tags));
  where(list, 't.created_at > ?::timestamptz', filter.created_after);
  where(list, 't.created_at < ?::timestamptz', filter.created_before);
  where(list, 't.user_id = (select id from users where username = ?)', filter.user);
  where(list, 't.name ilike ?', filter.q === undefined ? undefined : contains(filter.q));
  return list;
}

/** Tasks by filter, one page in one statement. */
export async function listTasks(em: Em, filter: TaskFilter & Scope & { sort: TaskSort }, page: PageRequest): Promise<Page<Task>> {
  const keys: Key[] = [sortKey(filter.sort), { column: 't.uuid', kind: 'uuid' }];
  const listing = { columns: COLUMNS, from: FROM, conditions: taskConditions(filter), sort: filter.sort, keys };
  return await readPage<Task>(em, listing, page);
}

/** The changes of state of a task and its instances, oldest first. */
export async function listHistory(em: Em, uuid: string, page: PageRequest): Promise<Page<HistoryEntry>> {
  const list = conditions();
  where(list, 'h.task_id = ?', uuid);
  const columns = `${wireNumber('h.id')}, h.runid, h.subject, h.from_status, h.to_status, h.reason, h.actor, ${wireTime('h.created_at')}`;
  const keys: Key[] = [{ column: 'h.id', kind: 'integer' }];
  return await readPage(em, { columns, from: 'task_history h', conditions: list, sort: 'id', keys }, page);
}

/** What a task waits for, or waited for. */
export async function listDependencies(em: Em, uuid: string, page: PageRequest): Promise<Page<Dependency>> {
  const list = conditions();
  where(list, 'd.task_id = ?', uuid);
  const from = 'task_dependencies d join tasks t on t.uuid = d.upstream_id';
  const columns = 'd.upstream_id as task, d.condition, d.state, t.status';
  const keys: Key[] = [{ column: 'd.upstream_id', kind: 'uuid' }];
  return await readPage(em, { columns, from, conditions: list, sort: 'task', keys }, page);
}
