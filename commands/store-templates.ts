import type { Segment } from '../core/logs/segment.ts';
import { type Cluster, templateText } from '../core/logs/template-miner.ts';
import { type Em, query } from '../entities/sql.ts';

const LONGEST = 2_000;
/** What is believed to be stored is asked again from time to time: retention removes templates that nothing came to for days, and a log makes ever new ones. */
const MOST_KNOWN = 20_000;
const DAY_MS = 86_400_000;

/** The templates of one source: which rows they are, so that only new and changed ones are written. */
export class StoredTemplates {
  private readonly source: { id: number; container_id: string };
  private readonly known = new Map<number, { id: number; text: string }>();
  private since = Date.now();

  constructor(source: { id: number; container_id: string }) {
    this.source = source;
  }

  /** The clusters of earlier readings, for a miner to go on with; the most frequent ones. */
  async load(em: Em, most: number): Promise<Cluster[]> {
    const rows = await query<{ id: number; number: number; template: string; count: number }>(
      em,
      `select id::float8 as id, number, template, count::float8 as count from log_template where source_id = $1 order by last_seen desc, number limit $2`,
      [this.source.id, most],
    );
    for (const { id, number, template } of rows) this.known.set(number, { id, text: template });
    return rows.map(({ number, template, count }) => ({ number, tokens: template.split(' '), count }));
  }

  /** Writes what is new or more general by now. @returns the id of each segment's template, null for none */
  async store(em: Em, segments: readonly Segment[]): Promise<(number | null)[]> {
    if (this.known.size > MOST_KNOWN || Date.now() - this.since > DAY_MS) this.forget();
    const clusters = new Map(segments.flatMap(({ template }) => (template ? [[template.number, template] as const] : [])));
    const changed = [...clusters.values()].filter((cluster) => this.known.get(cluster.number)?.text !== textOf(cluster));
    if (changed.length > 0) await this.upsert(em, changed);
    return segments.map(({ template }) => (template ? (this.known.get(template.number)?.id ?? null) : null));
  }

  /** What was believed to be stored may not be. */
  forget(): void {
    this.known.clear();
    this.since = Date.now();
  }

  private async upsert(em: Em, clusters: readonly Cluster[]): Promise<void> {
    const texts = clusters.map(textOf);
    const rows = await query<{ id: number; number: number }>(
      em,
      `insert into log_template (source_id, container_id, number, template) select $1::int8, $2::text, r.number, r.template
       from unnest($3::int4[], $4::text[]) as r(number, template) order by r.number
       on conflict (source_id, number) do update set template = excluded.template returning id::float8 as id, number`,
      [this.source.id, this.source.container_id, clusters.map(({ number }) => number), texts],
    );
    const ids = new Map(rows.map(({ id, number }) => [number, id]));
    clusters.forEach((cluster, i) => void this.known.set(cluster.number, { id: ids.get(cluster.number) ?? 0, text: texts[i] as string }));
  }
}

const textOf = (cluster: Cluster): string => templateText(cluster).slice(0, LONGEST).replaceAll('\0', '').toWellFormed();
