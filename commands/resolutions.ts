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

/**
 * What submissions were resolved to a short while ago, so that the next one needs no look of its own. Nothing rests on it: the statement that inserts
 * compares the facts, what has changed is resolved anew, and so is what leads to a refusal.
 */
export class Resolutions<Resolved> {
  private readonly kept = new Map<string, { resolved: Resolved; at: number }>();

  get(key: string): Resolved | undefined {
    const found = this.kept.get(key);
    return found && performance.now() - found.at < MAX_AGE_MS ? found.resolved : undefined;
  }

  keep(key: string, resolved: Resolved): void {
    if (this.kept.size >= MOST) this.kept.clear();
    this.kept.set(key, { resolved, at: performance.now() });
  }

  /** @returns whether any of them was known */
  forget(keys: readonly string[]): boolean {
    return keys.map((key) => this.kept.delete(key)).includes(true);
  }
}
