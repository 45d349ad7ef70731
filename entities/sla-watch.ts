import { defineEntity, p } from '@mikro-orm/core';
import { Breach } from './breach.ts';
import { times } from './columns.ts';
import { Sla } from './sla.ts';
import { SlaCondition } from './sla-condition.ts';
import { SlaVersion } from './sla-version.ts';

const SlaWatchSchema = defineEntity({
  name: 'SlaWatch',
  tableName: 'sla_watches',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref(),
    sla_version: () => p.manyToOne(SlaVersion).fieldName('sla_version_id').ref(),
    condition: () => p.manyToOne(SlaCondition).fieldName('condition_id').ref(),
    path: p.text(),
    name: p.text(),
    subject_type: p.enum(['pool', 'queue', 'template', 'schedule'] as const),
    subject_id: p.text(),
    fingerprint: p.text(),
    state: p.enum(['ok', 'pending', 'broken', 'clearing'] as const).default('ok'),
    since_at: p.datetime(3).nullable(),
    value: p.double().nullable(),
    epoch: p.integer().default(0),
    breach: () => p.manyToOne(Breach).fieldName('breach_id').ref().nullable().deleteRule('set null').updateRule('no action'),
    memory: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    bound_at: p.datetime(3).defaultRaw('now()'),
    next_at: p.datetime(3).defaultRaw('now()').index('idx_sla_watches_due'),
    ...times,
  },
  uniques: [{ name: 'sla_watches_subject_key', properties: ['sla', 'name', 'subject_type', 'subject_id'] }],
});

/**
 * One condition of a group on one subject, as it was last sampled. `since_at`: since when it has been in `state`; `value`: the last sample. A change of the SLA that leaves the
 * condition as it was (`fingerprint`) leaves all of this as it is. `epoch` counts its breaches; `breach`: the one that is going on. `memory`: how far
 * each member has looked (see `core/sla-sample.ts`).
 */
export class SlaWatch extends SlaWatchSchema.class {}
SlaWatchSchema.setClass(SlaWatch);
