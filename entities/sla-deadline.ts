import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { SlaCondition } from './sla-condition.ts';

const SlaDeadlineSchema = defineEntity({
  name: 'SlaDeadline',
  tableName: 'sla_deadlines',
  properties: {
    condition: () => p.manyToOne(SlaCondition).fieldName('condition_id').primary().ref(),
    at: p.datetime(3).primary(),
    ...times,
  },
});

/** The coming instants of a deadline that is a local time of day, computed ahead, so that a clock can be started wherever a task becomes eligible. */
export class SlaDeadline extends SlaDeadlineSchema.class {}
SlaDeadlineSchema.setClass(SlaDeadline);
