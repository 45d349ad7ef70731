/** How many tasks may start: `limit` in `per_s` seconds on the average, `burst` at once after a rest. `key`: as in `Concurrency`; null: one bucket for all. */
export type RateLimit = { key: string | null; limit: number; per_s: number; burst: number };

/**
 * A token bucket, kept as the one instant at which it will be full (the generic cell rate algorithm), so that nothing has to be refilled: a token is
 * there each `interval_us` before that, at most `burst`. Instants and lengths in whole microseconds, instants since 1970.
 */
export type Bucket = { name: string; burst: number; interval_us: number; full_at: number };

/** What a bucket is made from. `version`: of several shapes of one bucket the highest counts; null: whatever was said last. */
export type BucketShape = Omit<Bucket, 'full_at'> & { version: number | null };

const US_PER_S = 1_000_000;

/** The microseconds of an instant in milliseconds. */
export const microseconds = (ms: number): number => Math.round(ms * 1000);

/** The shape of a bucket. The interval is rounded up, so that the rate is never exceeded. */
export function bucketShape(name: string, rate: Omit<RateLimit, 'key'>, version: number | null): BucketShape {
  return { name, burst: rate.burst, interval_us: Math.ceil((rate.per_s * US_PER_S) / rate.limit), version };
}

/** A bucket that nobody has taken from. */
export const fullBucket = ({ name, burst, interval_us }: Omit<Bucket, 'full_at'>): Bucket => ({ name, burst, interval_us, full_at: 0 });

/** Whole tokens at an instant: 0 to `burst`. */
export function tokensAt({ burst, interval_us, full_at }: Bucket, now: number): number {
  if (full_at <= now) return burst;
  return Math.max(0, Math.floor(burst - (full_at - now) / interval_us));
}

/**
 * The bucket after one token was taken at `now`, where `tokensAt` says that there is one. Whatever the order in which takings are written down: those of any
 * span of time are at most `burst` and one for each interval in it.
 */
export const taken = (bucket: Bucket, now: number): Bucket => ({ ...bucket, full_at: Math.max(bucket.full_at, now) + bucket.interval_us });

/** When there are `tokens` of them if nobody takes any; in the past: already. */
export const readyAt = ({ burst, interval_us, full_at }: Bucket, tokens = 1): number =>
  full_at - (burst - Math.min(tokens, burst)) * interval_us;

/** The bucket with another burst and rate: what is missing stays missing, as far as the new burst goes. */
export function reshaped(bucket: Bucket, { burst, interval_us }: Omit<Bucket, 'full_at' | 'name'>, now: number): Bucket {
  const missing = Math.max(0, bucket.full_at - now) / bucket.interval_us;
  return { name: bucket.name, burst, interval_us, full_at: Math.ceil(now + Math.min(missing, burst) * interval_us) };
}
