import { defineEntity, p } from '@mikro-orm/core';
import type { Concurrency } from '../core/concurrency.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { RateLimit } from '../core/token-bucket.ts';
import { cores, times } from './columns.ts';
import { Queue } from './queue.ts';
import { Template } from './template.ts';

const TemplateVersionSchema = defineEntity({
  name: 'TemplateVersion',
  tableName: 'template_versions',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    template: () => p.manyToOne(Template).ref(),
    version: p.integer(),
    schema: p.json<Record<string, unknown>>(),
    parameters: p.json<Record<string, unknown>>(),
    queue: () => p.manyToOne(Queue).ref(),
    priority: p.integer().default(50),
    timeout: p.integer().default(3600),
    cpu: cores(),
    memory_mb: p.integer(),
    retry_policy: p.json<RetryPolicy>(),
    at_most_once: p.boolean().default(false),
    quota_cost: p.integer().default(0),
    concurrency: p.json<Concurrency>().nullable(),
    rate_limit: p.json<RateLimit>().nullable(),
    queue_timeout_s: p.integer().nullable(),
    start_timeout_s: p.integer().nullable(),
    total_timeout_s: p.integer().nullable(),
    ...times,
  },
  uniques: [{ name: 'template_versions_template_version_key', properties: ['template', 'version'] }],
  checks: [
    { name: 'template_versions_clocks_check', expression: 'queue_timeout_s > 0 and start_timeout_s > 0 and total_timeout_s > 0' },
    {
      name: 'template_versions_range_check',
      expression: 'priority >= 0 and priority <= 100 and timeout > 0 and cpu >= 0 and memory_mb >= 0 and quota_cost >= 0',
    },
  ],
});

/**
 * What a template said at one time; never changed. `schema`: JSON Schema 2020-12 of the parameters; `parameters`: defaults under them.
 * `timeout` in seconds, `cpu` in cores, `memory_mb` in MB: what each instance reserves. `at_most_once`: a lost instance is not run again.
 * `concurrency`: how many tasks with an equal parameter may run at once; `rate_limit`: how many may start in some time; null: any number.
 */
export class TemplateVersion extends TemplateVersionSchema.class {}
TemplateVersionSchema.setClass(TemplateVersion);
