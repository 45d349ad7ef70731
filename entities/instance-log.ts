import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Instance } from './instance.ts';

const InstanceLogSchema = defineEntity({
  name: 'InstanceLog',
  tableName: 'instance_logs',
  properties: {
    instance: () => p.manyToOne(Instance).fieldName('runid').primary().ref(),
    seq: p.integer().primary(),
    stream: p.enum(['stdout', 'stderr', 'system'] as const),
    line: p.text(),
    ...times,
  },
});

/** One line of an instance's output. `seq` counts from 1 without gaps over all streams; `system` lines are the engine's own. */
export class InstanceLog extends InstanceLogSchema.class {}
InstanceLogSchema.setClass(InstanceLog);
