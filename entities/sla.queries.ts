import type { Sla, SlaVersion } from '../schemas/sla.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime, wireTimes } from './wire.ts';

/** What an SLA is attached to, tasks left out. */
export const BOUND_TO = (sla: string): string => `array(select x.scope from (
    select 'pool:' || name as scope from pools where sla_id = ${sla} union all select 'queue:' || name from queues where sla_id = ${sla}
    union all select 'template:' || name from templates where sla_id = ${sla}
    union all select 'schedule:' || id from schedules where sla_id = ${sla} and deleted_at is null) x order by 1 limit 1000)`;

const COLUMNS = `s.id, s.name, s.description, u.username as user, s.enabled, s.current_version, s.conditions, s.actions, s.priority, s.cooldown_s,
  ${BOUND_TO('s.id')} as bound_to,
  (select count(*)::int4 from sla_clocks c where c.sla_id = s.id and c.stopped_at is null) as open_clocks,
  (select count(*)::int4 from breaches b where b.sla_id = s.id and b.state <> 'resolved') as open_breaches, ${wireTimes('s')}`;
const FROM = 'slas s left join users u on u.id = s.user_id';

/** One SLA as the API shows it; null when there is none, it was deleted, or it is somebody else's. */
export async function findSla(em: Em, id: number, scope: Scope): Promise<Sla | null> {
  const sql = `select ${COLUMNS} from ${FROM} where s.id = $1 and s.deleted_at is null and ($2::int8 is null or s.user_id = $2)`;
  return (await query<Sla>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Filters that are absent are undefined. */
export type SlaFilter = { enabled?: boolean; user?: string; name?: string };

/** SLAs, newest first. */
export async function listSlas(em: Em, filter: SlaFilter & Scope, page: PageRequest): Promise<Page<Sla>> {
  const list = conditions();
  list.clauses.push('s.deleted_at is null');
  where(list, 's.user_id = ?', filter.user_id);
  where(list, 's.enabled = ?', filter.enabled);
  where(list, 'u.username = ?', filter.user);
  where(list, 's.name = ?', filter.name);
  const keys: Key[] = [{ column: 's.id', kind: 'integer' }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-id', keys }, page);
}

/** What an SLA said at each time, newest first. */
export async function listSlaVersions(em: Em, sla_id: number, page: PageRequest): Promise<Page<SlaVersion>> {
  const list = conditions();
  where(list, 'v.sla_id = ?', sla_id);
  const columns = `v.version, v.conditions, v.actions, v.priority, v.cooldown_s, ${wireTime('v.created_at')}`;
  const keys: Key[] = [{ column: 'v.version', kind: 'integer' }];
  return await readPage(em, { columns, from: 'sla_versions v', conditions: list, sort: '-version', keys }, page);
}
