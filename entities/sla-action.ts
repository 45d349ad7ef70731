import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { SlaVersion } from './sla-version.ts';

const SlaActionSchema = defineEntity({
  name: 'SlaAction',
  tableName: 'sla_actions',
  properties: {
    sla_version: () => p.manyToOne(SlaVersion).fieldName('sla_version_id').primary().ref(),
    no: p.integer().primary(),
    condition: p.text().nullable(),
    stage: p.integer(),
    kind: p.text(),
    args: p.json<Record<string, unknown>>(),
    ...times,
  },
});

/** What a version does about a breach, in this order. `condition` null: of each condition that has the stage. Never changed. */
export class SlaAction extends SlaActionSchema.class {}
SlaActionSchema.setClass(SlaAction);
