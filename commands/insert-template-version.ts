import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { TemplateVersion } from '../schemas/template.ts';

export type VersionContent = Omit<TemplateVersion, 'version' | 'created_at'>;
/** The clocks of a template or a change of one; what is left out is no limit. */
export const clocksOf = (given: { [K in Clock]?: number | null | undefined }): Pick<VersionContent, Clock> => ({
  queue_timeout_s: given.queue_timeout_s ?? null,
  start_timeout_s: given.start_timeout_s ?? null,
  total_timeout_s: given.total_timeout_s ?? null,
});
type Clock = 'queue_timeout_s' | 'start_timeout_s' | 'total_timeout_s';

export type NewVersion = { template: string; version: number; content: VersionContent };

/**
 * Stores one immutable version.
 * @throws EngineError invalid_input: its queue does not exist
 */
export async function insertVersion(em: Em, { template, version, content }: NewVersion): Promise<void> {
  await refuseMissingQueue(em, content.queue);
  await query(em, INSERT, [
    template,
    version,
    JSON.stringify(content.schema),
    JSON.stringify(content.parameters),
    content.queue,
    content.priority,
    content.timeout,
    content.cpu,
    content.memory_mb,
    JSON.stringify(content.retry_policy),
    content.at_most_once,
    content.quota_cost,
    content.concurrency && JSON.stringify(content.concurrency),
    content.queue_timeout_s,
    content.start_timeout_s,
    content.total_timeout_s,
    content.rate_limit && JSON.stringify(content.rate_limit),
  ]);
}

const INSERT = `insert into template_versions (template, version, schema, parameters, queue, priority, timeout, cpu, memory_mb, retry_policy,
    at_most_once, quota_cost, concurrency, queue_timeout_s, start_timeout_s, total_timeout_s, rate_limit)
  values ($1, $2, $3::jsonb, $4::jsonb, $5, $6, $7, $8, $9, $10::jsonb, $11, $12, $13::jsonb, $14, $15, $16, $17::jsonb)`;

async function refuseMissingQueue(em: Em, queue: string): Promise<void> {
  const found = await query(em, 'select 1 from queues where name = $1 for key share', [queue]);
  if (found.length > 0) return;
  const detail = `queue "${queue}": there is none`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: '/queue', detail }] });
}
