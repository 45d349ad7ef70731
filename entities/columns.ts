import { p } from '@mikro-orm/core';

/** Both times of every table; `updated_at` is kept by a trigger. UTC instants with millisecond precision. */
export const times = {
  created_at: p.datetime(3).defaultRaw('now()'),
  updated_at: p.datetime(3).defaultRaw('now()'),
};

/** Cores, exact to a thousandth, as a JavaScript number. */
export const cores = () => p.decimal('number').precision(12).scale(3);
