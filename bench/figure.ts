import type { Spread } from './percentiles.ts';

/** What a value has to reach: at least or at most `limit`. */
export type Bar = { kind: 'at_least' | 'at_most'; limit: number };

/** `refused`: the machine was too noisy to say. `info`: there is no bar. */
export type Verdict = 'met' | 'missed' | 'refused' | 'info';

/**
 * One line of the report. `value` is null when refused; `spread`: least, middle and greatest of the blocks; `measured` keeps the middle value even when it is refused,
 * for the JSON alone. `note`: the absolute values behind a ratio, and why a figure was refused.
 */
export type Figure = {
  name: string;
  unit: string;
  value: number | null;
  measured: number;
  spread: Spread;
  bar: Bar | null;
  verdict: Verdict;
  note: string;
};

export type FigureInput = { name: string; unit: string; spread: Spread; bar: Bar | null; refused: string | null; note: string };

const reaches = (value: number, { kind, limit }: Bar): boolean => (kind === 'at_least' ? value >= limit : value <= limit);

/** Judges the middle value against the bar, unless the figure is refused. */
export function makeFigure({ name, unit, spread, bar, refused, note }: FigureInput): Figure {
  const measured = spread.median;
  const base = { name, unit, measured, spread, bar };
  if (refused) return { ...base, value: null, verdict: 'refused', note: `noisy: ${refused}` };
  const verdict = !bar ? 'info' : reaches(measured, bar) ? 'met' : 'missed';
  return { ...base, value: measured, verdict, note };
}
