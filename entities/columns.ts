import { p } from '@mikro-orm/core';

/** Both times of every table; `updated_at` is kept by a trigger. UTC instants with millisecond precision. */
export const times = {
  created_at: p.datetime(3).defaultRaw('now()'),
  updated_at: p.datetime(3).defaultRaw('now()'),
};

/** Cores, exact to a thousandth, as a JavaScript number. */
export const cores = () => p.decimal('number').precision(12).scale(3);

/**
 * What a table of holders of resources counts. `used_*` change only together with a grant, `ceiling_*` is what they may not exceed, both in cores and MB.
 * @see counterChecks for the promise
 */
export const counters = () => ({
  used_cpu: cores().default(0),
  used_memory: p.bigint('number').default(0),
  ceiling_cpu: cores().default(0),
  ceiling_memory: p.bigint('number').default(0),
});

export const counterChecks = (table: string) =>
  ['cpu', 'memory'].map((what) => ({
    name: `${table}_used_${what}_check`,
    expression: `used_${what} >= 0 and used_${what} <= ceiling_${what}`,
  }));
