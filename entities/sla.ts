import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const SlaSchema = defineEntity({
  name: 'Sla',
  tableName: 'slas',
  properties: {
    id: p.integer().primary().autoincrement(),
    name: p.text().unique('slas_name_key'),
    conditions: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    actions: p.json<unknown[]>().defaultRaw(`'[]'::jsonb`),
    priority: p.integer().default(50),
    current_version: p.integer().default(1),
    enabled: p.boolean().default(true),
    ...times,
  },
});

/** A service level: conditions on time, failure or freshness, and the actions that a breach triggers. The current version's content is repeated here. */
export class Sla extends SlaSchema.class {}
SlaSchema.setClass(Sla);
