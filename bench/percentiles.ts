/** Least, middle and greatest of the figures of several blocks. */
export type Spread = { min: number; median: number; max: number };

/**
 * The p-quantile by linear interpolation between the two nearest values.
 * @param p 0–1
 * @returns NaN for an empty list
 */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * p;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export const spreadOf = (values: readonly number[]): Spread => ({
  min: percentile(values, 0),
  median: median(values),
  max: percentile(values, 1),
});
