import type { Breach, BreachDetail } from '../schemas/breach.ts';
import { type Follow, readFeed } from './feed.queries.ts';
import { type Conditions, conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { jsonTime, wireNumber, wireTime, wireTimes } from './wire.ts';

const TIMES = ['due_at', 'fired_at', 'acknowledged_at', 'snoozed_until', 'resolved_at'];
const COLUMNS = `b.id, b.sla_id, s.name as sla, v.version, b.condition, b.kind, b.stage, b.epoch, b.subject_type, b.subject_id, b.scope, b.task_id as task, b.detail, b.state,
  b.acknowledged_by, b.resolved_by, b.note, b.cooled, ${wireNumber('b.seq')}, ${TIMES.map((column) => wireTime(`b.${column}`)).join(', ')}, ${wireTimes('b')}`;
const FROM =
  'breaches b join slas s on s.id = b.sla_id join sla_versions v on v.id = b.sla_version_id left join tasks t on t.uuid = b.task_id';

/** A breach is its SLA's owner's, and that of the user whose task broke it. */
const OWN = '(s.user_id = ? or t.user_id = ?)';

/** Filters that are absent are undefined; times are exclusive bounds of \`fired_at\`. */
export type BreachFilter = {
  state?: string[];
  sla_id?: number;
  condition?: string;
  kind?: string;
  stage?: number;
  subject_type?: string;
  subject_id?: string;
  task?: string;
  fired_after?: string;
  fired_before?: string;
};

function breachConditions(filter: BreachFilter & Scope): Conditions {
  const list = conditions();
  where(list, OWN, filter.user_id);
  where(list, 'b.state = any(?::text[])', filter.state);
  where(list, 'b.sla_id = ?', filter.sla_id);
  where(list, 'b.condition = ?', filter.condition);
  where(list, 'b.kind = ?', filter.kind);
  where(list, 'b.stage = ?', filter.stage);
  where(list, 'b.subject_type = ?', filter.subject_type);
  where(list, 'b.subject_id = ?', filter.subject_id);
  where(list, 'b.task_id = ?', filter.task);
  where(list, 'b.fired_at > ?::timestamptz', filter.fired_after);
  where(list, 'b.fired_at < ?::timestamptz', filter.fired_before);
  return list;
}

/** Breaches, newest first. */
export async function listBreaches(em: Em, filter: BreachFilter & Scope, page: PageRequest): Promise<Page<Breach>> {
  const keys: Key[] = [{ column: 'b.id', kind: 'uuid' }];
  const listing = { columns: COLUMNS, from: FROM, conditions: breachConditions(filter), sort: '-id', keys };
  return await readPage(em, listing, page);
}

/** Breaches that are new or have changed since a follower of the stream looked, in the order of the stream, as they are now. */
export async function breachesAfter(em: Em, filter: BreachFilter & Scope, follow: Follow): Promise<Breach[]> {
  return await readFeed<Breach>(em, { columns: COLUMNS, from: FROM, conditions: breachConditions(filter), seq: 'b.seq' }, follow);
}

/** One breach; null when there is none or it is nobody's business. */
export async function findBreach(em: Em, id: string, scope: Scope): Promise<Breach | null> {
  const sql = `select ${COLUMNS} from ${FROM} where b.id = $1 and ($2::int8 is null or ${OWN.replaceAll('?', '$2')})`;
  return (await query<Breach>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** One breach with what was done about it. */
export async function findBreachDetail(em: Em, id: string, scope: Scope): Promise<BreachDetail | null> {
  const breach = await findBreach(em, id, scope);
  return breach && { ...breach, workflow_id: `sla/${id}`, actions: await query<BreachDetail['actions'][number]>(em, ACTIONS, [id]) };
}

const ACTIONS = `select a.no, a.kind as do, a.args, a.state, a.code, a.detail, a.result, a.tries, (extract(epoch from a.ended_at - b.fired_at) * 1000)::float8 as latency_ms,
    ${jsonTime('a.ended_at')} as ended_at,
    case when d.id is not null then jsonb_build_object('id', d.id, 'state', d.state, 'attempts', d.attempts, 'code', d.code) end as delivery
  from breach_actions a join breaches b on b.id = a.breach_id left join deliveries d on d.id = a.delivery_id where a.breach_id = $1 order by a.no`;
