import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';

const SlaVersionSchema = defineEntity({
  name: 'SlaVersion',
  tableName: 'sla_versions',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref(),
    version: p.integer(),
    conditions: p.json<Record<string, unknown>[]>(),
    actions: p.json<unknown[]>(),
    priority: p.integer(),
    cooldown_s: p.integer().default(0),
    ...times,
  },
  uniques: [{ name: 'sla_versions_sla_version_key', properties: ['sla', 'version'] }],
});

/** What an SLA said at one time; never changed. Tasks are bound to a version, so editing an SLA moves no running clock. */
export class SlaVersion extends SlaVersionSchema.class {}
SlaVersionSchema.setClass(SlaVersion);
