import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { ContainerLogSource } from './container-log-source.ts';

const LogTemplateSchema = defineEntity({
  name: 'LogTemplate',
  tableName: 'log_template',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    source: () => p.manyToOne(ContainerLogSource).fieldName('source_id').deleteRule('cascade').ref(),
    number: p.integer(),
    container_id: p.text().index('idx_log_template_container'),
    template: p.text(),
    count: p.bigint('number').default(0),
    first_seen: p.datetime(3).defaultRaw('now()'),
    last_seen: p.datetime(3).defaultRaw('now()'),
    ...times,
  },
  uniques: [{ name: 'log_template_number_key', properties: ['source', 'number'] }],
});

/** A shape that messages of one source have in common; `<*>` stands for what varies. `number` is the miner's own. `count`: segments of it that were stored. */
export class LogTemplate extends LogTemplateSchema.class {}
LogTemplateSchema.setClass(LogTemplate);
