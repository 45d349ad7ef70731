import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Template } from './template.ts';

const TemplateRuntimeSchema = defineEntity({
  name: 'TemplateRuntime',
  tableName: 'template_runtimes',
  properties: {
    template: () => p.oneToOne(Template).primary().owner().fieldName('template').ref().deleteRule('cascade').updateRule('no action'),
    p50_s: p.double(),
    p90_s: p.double(),
    p95_s: p.double().nullable(),
    samples: p.integer(),
    ...times,
  },
});

/** How long the last completed instances of a template ran, in seconds; refreshed by the dispatcher every few seconds. */
export class TemplateRuntime extends TemplateRuntimeSchema.class {}
TemplateRuntimeSchema.setClass(TemplateRuntime);
