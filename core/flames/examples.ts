import type { LogEntry } from './log-entry.ts';
import { byDimension } from './scores.ts';

/** The lowest-scored rows of each dimension, those without a score last: what `getTaskLogs` reads from the table. */
export function lowestOf<E extends LogEntry>(entries: readonly E[], limit_per_dimension: number): E[] {
  const rank = ({ predicted }: E) => predicted ?? 4;
  const order = (a: E, b: E) => rank(a) - rank(b) || a.prompt_seq - b.prompt_seq || a.epoch - b.epoch;
  const groups = Map.groupBy(entries, ({ dimension }) => dimension);
  return [...groups].sort(([a], [b]) => byDimension(a, b)).flatMap(([, list]) => list.toSorted(order).slice(0, limit_per_dimension));
}

/** Rows by dimension, in the order of dimensions. */
export const byDimensionOf = <E extends LogEntry>(entries: readonly E[]): { dimension: string; logs: E[] }[] =>
  [...Map.groupBy(entries, ({ dimension }) => dimension)]
    .sort(([a], [b]) => byDimension(a, b))
    .map(([dimension, logs]) => ({ dimension, logs }));
