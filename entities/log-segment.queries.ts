import { SEVERITIES, type SegmentType, type Severity, severityNumber, typeOfSeverity } from '../core/logs/levels.ts';
import type { LogArchive, LogSegment, LogSource, LogTemplate } from '../schemas/log-segment.ts';
import { type Conditions, conditions, type Key, type Listing, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query, queryOnce } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const COLUMNS = `${['id', 'source_id', 'line_number', 'template_id'].map((column) => wireNumber(`s.${column}`)).join(', ')}, s.container_id, s.container_name,
  s.segment_type, s.severity_level, s.severity_number, s.content, s.component, s.line_count, s.stream, s.format, s.detect_source, s.attributes, s.runid,
  ${wireTime('s.timestamp', '"timestamp"')}, ${wireTime('s.logged_at')}, ${wireTimes('s')}`;
const FROM = 'container_log_segment s';

export type SegmentFilter = Partial<{
  container_id: string;
  container_name: string;
  type: string[];
  severity: Severity;
  component: string;
  q: string;
  from: string;
  to: string;
  runid: string;
  source_id: number;
  template_id: number;
  detect_source: string[];
}>;

const like = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

/** Types that have severities of this rank or more: with a single one the index by type gives the order too. */
const typesFrom = (severity: Severity): SegmentType[] => [
  ...new Set(SEVERITIES.filter((one) => severityNumber(one) >= severityNumber(severity)).map(typeOfSeverity)),
];

function whereTypes(list: Conditions, types: readonly string[] | undefined): void {
  if (types?.length === 1) where(list, 's.segment_type = ?', types[0]);
  else where(list, 's.segment_type = any(?::text[])', types);
}

function matching(filter: SegmentFilter & Scope): Conditions {
  const list = conditions();
  where(list, 's.user_id = ?', filter.user_id);
  where(list, 's.container_id = ?', filter.container_id);
  where(list, 's.container_name = ?', filter.container_name);
  whereTypes(list, filter.type ?? (filter.severity && filter.severity !== 'trace' ? typesFrom(filter.severity) : undefined));
  where(list, 's.severity_number >= ?', filter.severity ? severityNumber(filter.severity) : undefined);
  where(list, 's.component = ?', filter.component);
  where(list, 's.content ilike ?', filter.q === undefined ? undefined : like(filter.q));
  where(list, 's.logged_at >= ?::timestamptz', filter.from);
  where(list, 's.logged_at < ?::timestamptz', filter.to);
  where(list, 's.runid = ?', filter.runid);
  where(list, 's.source_id = ?', filter.source_id);
  where(list, 's.template_id = ?', filter.template_id);
  where(list, 's.detect_source = any(?::text[])', filter.detect_source);
  return list;
}

const ID: Key = { column: 's.id', kind: 'integer' };
const BY_TIME: Key[] = [{ column: 's.logged_at', kind: 'time' }, ID];
const BY_LINE: Key[] = [{ column: 's.source_id', kind: 'integer' }, { column: 's.line_number', kind: 'integer' }, ID];

function listing(filter: SegmentFilter & Scope, sort: string): Listing {
  return { columns: COLUMNS, from: FROM, conditions: matching(filter), sort, keys: sort === 'line_number' ? BY_LINE : BY_TIME };
}

/** Segments that match; `sort` one of the schema's. */
export async function listSegments(
  em: Em,
  { filter, sort }: { filter: SegmentFilter & Scope; sort: string },
  page: PageRequest,
): Promise<Page<LogSegment>> {
  return await readPage(em, listing(filter, sort), page);
}

/** One segment; null when there is none, or it is not for this reader. */
export async function findSegment(em: Em, id: number, scope: Scope): Promise<LogSegment | null> {
  const sql = `select ${COLUMNS} from ${FROM} where s.id = $1 and ($2::int8 is null or s.user_id = $2)`;
  return (await query<LogSegment>(em, sql, [id, scope.user_id]))[0] ?? null;
}

/** Whether an Engine is known to have had the container, or a log of it was read; for a user: one of their own. */
export async function isKnownContainer(em: Em, container_id: string, { user_id }: Scope): Promise<boolean> {
  const sql = `select exists (select from container_log_source where container_id = $1 and ($2::int8 is null or user_id = $2))
    or ($2::int8 is null and exists (select from docker_container where container_id = $1)) as known`;
  return (await query<{ known: boolean }>(em, sql, [container_id, user_id]))[0]?.known ?? false;
}

/** Removes at most `limit` segments that match. @returns how many */
export async function deleteSegments(em: Em, filter: SegmentFilter & Scope, limit: number): Promise<number> {
  const list = matching(filter);
  const sql = `with page as materialized (select s.id, s.filed_at from ${FROM} where ${list.clauses.join(' and ')} limit ${limit} for update skip locked),
    gone as (delete from container_log_segment s using page where s.id = page.id and s.filed_at = page.filed_at returning 1)
    select count(*)::int4 as n from gone`;
  return (await queryOnce<{ n: number }>(em, sql, list.values))[0]?.n ?? 0;
}

const SOURCE = `${['id', 'lines', 'segments'].map((column) => wireNumber(`s.${column}`)).join(', ')}, s.container_id, s.container_name, s.docker_id, s.kind, s.runid,
  s.status, s.error, s.requested_by, ${wireTime('s.ended_at')}, ${wireTimes('s')}`;
const SOURCES = 'container_log_source s';

export async function findSource(em: Em, id: number, scope: Scope): Promise<LogSource | null> {
  const sql = `select ${SOURCE} from ${SOURCES} where s.id = $1 and ($2::int8 is null or s.user_id = $2)`;
  return (await query<LogSource>(em, sql, [id, scope.user_id]))[0] ?? null;
}

export type SourceFilter = { container_id?: string; status?: string; kind?: string };

/** What is and was read, newest first. */
export async function listSources(em: Em, filter: SourceFilter & Scope, page: PageRequest): Promise<Page<LogSource>> {
  const list = conditions();
  where(list, 's.user_id = ?', filter.user_id);
  where(list, 's.container_id = ?', filter.container_id);
  where(list, 's.status = ?', filter.status);
  where(list, 's.kind = ?', filter.kind);
  return await readPage(em, { columns: SOURCE, from: SOURCES, conditions: list, sort: '-id', keys: [ID] }, page);
}

/** Segments of a source by type. */
export async function typesOfSource(em: Em, id: number): Promise<Record<SegmentType, number>> {
  const rows = await query<{ segment_type: SegmentType; n: number }>(
    em,
    'select segment_type, count(*)::int4 as n from container_log_segment where source_id = $1 group by 1',
    [id],
  );
  return { error: 0, warning: 0, info: 0, debug: 0, ...Object.fromEntries(rows.map(({ segment_type, n }) => [segment_type, n])) };
}

/** Templates, most frequent first. */
export async function listTemplates(
  em: Em,
  filter: { container_id?: string; source_id?: number },
  page: PageRequest,
): Promise<Page<LogTemplate>> {
  const list = conditions();
  where(list, 't.container_id = ?', filter.container_id);
  where(list, 't.source_id = ?', filter.source_id);
  const columns = `${['id', 'source_id', 'count'].map((column) => wireNumber(`t.${column}`)).join(', ')}, t.container_id, t.template, ${wireTime('t.first_seen')}, ${wireTime('t.last_seen')}`;
  const keys: Key[] = [
    { column: 't.count', kind: 'integer' },
    { column: 't.id', kind: 'integer' },
  ];
  return await readPage(em, { columns, from: 'log_template t', conditions: list, sort: '-count', keys }, page);
}

const ARCHIVE = `${['id', 'rows', 'bytes'].map((column) => wireNumber(`a.${column}`)).join(', ')}, a.table_name, a.period, a.sha256, ${wireTime('a.from_at')}, ${wireTime('a.until_at')}, ${wireTime('a.created_at')}`;

export async function listArchives(em: Em, filter: { table?: string }, page: PageRequest): Promise<Page<LogArchive>> {
  const list = conditions();
  where(list, 'a.table_name = ?', filter.table);
  const keys: Key[] = [{ column: 'a.id', kind: 'integer' }];
  return await readPage(em, { columns: ARCHIVE, from: 'log_archive a', conditions: list, sort: '-id', keys }, page);
}

export async function findArchive(em: Em, id: number): Promise<(LogArchive & { key: string }) | null> {
  return (await query<LogArchive & { key: string }>(em, `select ${ARCHIVE}, a.key from log_archive a where a.id = $1`, [id]))[0] ?? null;
}
