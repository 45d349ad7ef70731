import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const RateBucketSchema = defineEntity({
  name: 'RateBucket',
  tableName: 'rate_buckets',
  properties: {
    name: p.text().primary(),
    burst: p.integer(),
    interval_us: p.bigint('number'),
    version: p.bigint('number').nullable(),
    full_us: p.bigint('number').default(0),
    taken_us: p.bigint('number').default(0),
    shaped_us: p.bigint('number').default(0),
    ready_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    {
      name: 'idx_rate_buckets_ready',
      expression: 'create index idx_rate_buckets_ready on rate_buckets (ready_at) where ready_at is not null',
    },
    { name: 'idx_rate_buckets_idle', expression: 'create index idx_rate_buckets_idle on rate_buckets (full_us) where ready_at is null' },
  ],
  checks: [
    { name: 'rate_buckets_shape_check', expression: 'burst >= 1 and interval_us >= 1' },
    { name: 'rate_buckets_tokens_check', expression: 'full_us <= taken_us + burst * interval_us' },
  ],
});

/**
 * A token bucket in use, as in `core/token-bucket.ts`: times in microseconds since 1970, so that nothing is rounded. `full_us`: when it will be full; `taken_us`: when a token was
 * taken last, from which a CHECK tells that no more were taken than there were; `shaped_us`: since when it has its shape, which template version `version` gave it.
 * `ready_at`: when somebody is to look whether tasks that wait for a token may go on; never null while some do.
 */
export class RateBucket extends RateBucketSchema.class {}
RateBucketSchema.setClass(RateBucket);
