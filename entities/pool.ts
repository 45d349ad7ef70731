import { defineEntity, p } from '@mikro-orm/core';
import { cores, counterChecks, counters, times } from './columns.ts';
import { Sla } from './sla.ts';

const PoolSchema = defineEntity({
  name: 'Pool',
  tableName: 'pools',
  properties: {
    name: p.text().primary(),
    total_cpu: cores(),
    total_memory: p.bigint('number'),
    ...counters(),
    extra_cpu: cores().default(0),
    extra_memory: p.bigint('number').default(0),
    seq: p.bigint('number').default(0),
    status: p.enum(['active', 'hold', 'drain'] as const).default('active'),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref().nullable().deleteRule('no action'),
    sla_since: p.datetime(3).nullable(),
    ...times,
  },
  checks: [
    { name: 'pools_total_check', expression: 'total_cpu >= 0 and total_memory >= 0' },
    { name: 'pools_extra_check', expression: 'extra_cpu >= 0 and extra_memory >= 0' },
    ...counterChecks('pools'),
  ],
});

/**
 * A set of workers and a limit on what instances may reserve of them together: cores and MB. `used_*` change only together with a grant.
 * `seq` counts grants taken and given back, under the row's lock: their true order. `extra_*`: room lent for a time, the sum of what lives in `pool_resizes`. `ceiling_*` is greatest(total + extra, used), kept by a trigger: after shrinking, what is held stays legal and can only fall.
 */
export class Pool extends PoolSchema.class {}
PoolSchema.setClass(Pool);
