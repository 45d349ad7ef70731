import { severityNumber } from '../core/logs/levels.ts';
import type { Segment } from '../core/logs/segment.ts';
import type { OpenEntry } from '../core/logs/segmenter.ts';
import type { Cluster } from '../core/logs/template-miner.ts';
import type { ReadPosition } from '../entities/container-log-source.ts';
import { type Em, query } from '../entities/sql.ts';
import type { LogSource } from './open-log-source.ts';
import { StoredTemplates } from './store-templates.ts';

/** Segments and how far their source was read, which are stored together: what is read again after a crash is what was not stored. */
export type SegmentBatch = { segments: readonly Segment[]; lines: number; position: ReadPosition | null; pending: readonly OpenEntry[] };

/** A line older than this before its source was first read is filed with the source: no clock gone wrong makes old months. */
const OLDEST_MS = 366 * 86_400_000;
const FIRST_MS = 0;
const LAST_MS = Date.UTC(9999, 11, 31);

const within = (time: number | null): number | null => (time !== null && time >= FIRST_MS && time <= LAST_MS ? time : null);
const iso = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString());

/** By which instant a segment is filed: the Engine's for its own containers, the source's for everything else, whose carrier may say anything. */
export function filedAt({ kind, first_seen }: Pick<LogSource, 'kind' | 'first_seen'>, carrier_time: number | null): number {
  const time = kind === 'container' ? within(carrier_time) : null;
  return time !== null && time > first_seen - OLDEST_MS ? time : Math.floor(first_seen);
}

const monthOf = (time: number): string => new Date(time).toISOString().slice(0, 7);

const attributesOf = ({ status, cut, name }: Segment): string =>
  JSON.stringify({
    ...(status === null ? {} : { http_status: status }),
    ...(cut ? { cut } : {}),
    ...(name === null ? {} : { source: name }),
  });

type Row = { segment: Segment; filed: number; template_id: number | null };

const FIELDS: readonly (readonly [column: string, type: string, value: (row: Row) => unknown])[] = [
  ['filed_at', 'timestamptz', ({ filed }) => iso(filed)],
  ['segment_type', 'text', ({ segment }) => segment.segment_type],
  ['severity_level', 'text', ({ segment }) => segment.severity],
  ['severity_number', 'int2', ({ segment }) => severityNumber(segment.severity)],
  ['content', 'text', ({ segment }) => segment.content.toWellFormed()],
  ['component', 'text', ({ segment }) => segment.component?.replaceAll('\0', '').toWellFormed() ?? null],
  ['timestamp', 'timestamptz', ({ segment }) => iso(within(segment.time))],
  ['logged_at', 'timestamptz', ({ segment, filed }) => iso(within(segment.time) ?? filed)],
  ['line_number', 'int8', ({ segment }) => segment.line_number],
  ['line_count', 'int4', ({ segment }) => segment.line_count],
  ['stream', 'text', ({ segment }) => segment.stream],
  ['format', 'text', ({ segment }) => segment.format],
  ['detect_source', 'text', ({ segment }) => segment.detect_source],
  ['template_id', 'int8', ({ template_id }) => template_id],
  ['attributes', 'jsonb', ({ segment }) => attributesOf(segment)],
];
const COLUMNS = FIELDS.map(([column]) => column).join(', ');
const UNNEST = FIELDS.map(([, type], i) => `$${i + 5}::${type}[]`).join(', ');

const INSERT = `
with added as (
  insert into container_log_segment (source_id, container_id, container_name, runid, user_id, ${COLUMNS})
  select $1::int8, $2::text, coalesce(r.attributes->>'source', $3::text), $4::uuid,
    (select user_id from container_log_source where id = $1::int8), ${FIELDS.map(([column]) => `r.${column}`).join(', ')}
  from unnest(${UNNEST}) as r(${COLUMNS})
  on conflict (source_id, line_number, filed_at) do nothing returning template_id, logged_at),
counted as (
  update log_template t set count = t.count + a.n, last_seen = greatest(t.last_seen, a.last), first_seen = least(t.first_seen, a.first)
  from (select template_id, count(*) as n, min(logged_at) as first, max(logged_at) as last from added group by template_id) a
  where t.id = a.template_id returning 1)
select (select count(*) from added)::int4 as n, (select count(*) from counted)::int4 as templates`;

const ADVANCE = `
update container_log_source set lines = greatest(lines, $2), segments = segments + $3, position = coalesce($4::jsonb, position), pending = $5::jsonb where id = $1`;

/** Stores what is read of one source. One at a time per source; when it fails, what the database did not keep is forgotten here too. */
export class SegmentStore {
  readonly source: LogSource;
  private readonly fork: () => Em;
  private readonly templates: StoredTemplates;
  private readonly months = new Set<string>();

  constructor(fork: () => Em, source: LogSource) {
    this.fork = fork;
    this.source = source;
    this.templates = new StoredTemplates(source);
  }

  /** The clusters of earlier readings, the latest first. */
  async clusters(most: number): Promise<Cluster[]> {
    return await this.templates.load(this.fork(), most);
  }

  /**
   * Segments and the state of their source in one transaction. What was stored before, by whomever, is left as it is.
   * @returns how many were new
   */
  async store(batch: SegmentBatch): Promise<number> {
    const filed = batch.segments.map((segment) => filedAt(this.source, segment.carrier_time));
    try {
      await this.ensurePartitions(filed);
      return await this.fork().transactional(async (tx) => await this.write(tx as Em, batch, filed));
    } catch (cause) {
      this.templates.forget();
      throw cause;
    }
  }

  /** Makes the partitions that the rows will fall into, in a transaction of its own. */
  private async ensurePartitions(times: readonly number[]): Promise<void> {
    for (const month of new Set(times.map(monthOf))) {
      if (this.months.has(month)) continue;
      await query(this.fork(), 'select ensure_segment_partition($1::timestamptz)', [`${month}-01T00:00:00Z`]);
      this.months.add(month);
    }
  }

  private async write(em: Em, { segments, lines, position, pending }: SegmentBatch, filed: readonly number[]): Promise<number> {
    const { id, container_id, container_name, runid } = this.source;
    await query(em, 'select 1 from container_log_source where id = $1 for no key update', [id]);
    const templates = await this.templates.store(em, segments);
    const rows = segments.map((segment, i) => ({ segment, filed: filed[i] as number, template_id: templates[i] ?? null }));
    const values = FIELDS.map(([, , value]) => rows.map(value));
    const added = rows.length === 0 ? [] : await query<{ n: number }>(em, INSERT, [id, container_id, container_name, runid, ...values]);
    const n = added[0]?.n ?? 0;
    await query(em, ADVANCE, [id, lines, n, position === null ? null : JSON.stringify(position), JSON.stringify(pending)]);
    return n;
  }
}
