import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';

const TemplateSchema = defineEntity({
  name: 'Template',
  tableName: 'templates',
  properties: {
    name: p.text().primary(),
    engine: p.text(),
    description: p.text().default(''),
    schema: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    parameters: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    current_version: p.integer().default(1),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    sla_since: p.datetime(3).nullable(),
    ...times,
  },
});

/** A named task definition: the head. `schema` and `parameters` repeat the current version's JSON Schema and defaults. */
export class Template extends TemplateSchema.class {}
TemplateSchema.setClass(Template);
