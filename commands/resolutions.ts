import type { TaskSubmission } from '../schemas/task.ts';

/** Which template, version and queue a submission names. */
export type Wanted = Pick<TaskSubmission, 'template' | 'queue' | 'template_version'>;

/** One text for each combination. */
export const wantedKey = ({ template, queue, template_version }: Wanted): string =>
  `${template}\n${queue ?? ''}\n${template_version ?? ''}`;

/**
 * Template version, queue and pool of a submission, as far as somebody may change them: when this text is the same, so is what was resolved. Of rows without
 * them it is null.
 */
export const FACTS = `md5(v.id || ' ' || (to_jsonb(q) - '{current_load,ceiling,updated_at}'::text[])
  || (to_jsonb(p) - '{used_cpu,used_memory,ceiling_cpu,ceiling_memory,seq,updated_at}'::text[]))`;

/** Where `FACTS` are found for what a row `w(template, queue, version)` wants. */
export const factsJoin = (w: string): string => `templates t
  join template_versions v on v.template = t.name and v.version = coalesce(${w}.version, t.current_version)
  join queues q on q.name = coalesce(${w}.queue, v.queue)
  join pools p on p.name = q.pool
  where t.name = ${w}.template`;

const MAX_AGE_MS = 5_000;
const MOST = 1_000;

type Row = { key: string; lasting: boolean };

/**
 * What submissions were resolved to a short while ago, so that the next one needs no look of its own, and those that come together have one. Nothing rests on
 * it: the statement that inserts compares the facts, what has changed is resolved anew, and so is what leads to a refusal.
 */
export class Resolutions<Resolved extends Row> {
  private readonly kept = new Map<string, { row: Resolved; at: number }>();
  private readonly looking = new Map<string, Promise<Resolved[]>>();

  /** What is known or being looked up of these; the others, if any, are looked up. Rows that are not `lasting` are given out, but not kept. */
  async of(wanted: ReadonlyMap<string, Wanted>, lookUp: (wanted: Wanted[]) => Promise<Resolved[]>): Promise<Resolved[]> {
    const known = [...wanted.keys()].flatMap((key) => this.get(key) ?? []);
    const have = new Set(known.map(({ key }) => key));
    const missing = [...wanted].filter(([key]) => !have.has(key) && !this.looking.has(key));
    const others = [...wanted.keys()].flatMap((key) => (have.has(key) ? [] : (this.looking.get(key) ?? [])));
    if (missing.length > 0) others.push(this.look(missing, lookUp));
    const found = await Promise.all(new Set(others));
    return [...known, ...found.flat()];
  }

  forget(keys: readonly string[]): void {
    for (const key of keys) this.kept.delete(key);
  }

  private get(key: string): Resolved | undefined {
    const found = this.kept.get(key);
    return found && performance.now() - found.at < MAX_AGE_MS ? found.row : undefined;
  }

  private look(missing: [string, Wanted][], lookUp: (wanted: Wanted[]) => Promise<Resolved[]>): Promise<Resolved[]> {
    const answer = lookUp(missing.map(([, wanted]) => wanted))
      .then((rows) => this.keep(rows))
      .finally(() => {
        for (const [key] of missing) this.looking.delete(key);
      });
    for (const [key] of missing) this.looking.set(key, answer);
    return answer;
  }

  private keep(rows: Resolved[]): Resolved[] {
    if (this.kept.size >= MOST) this.kept.clear();
    for (const row of rows) if (row.lasting) this.kept.set(row.key, { row, at: performance.now() });
    return rows;
  }
}
