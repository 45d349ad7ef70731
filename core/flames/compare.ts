import { rounded } from './rates.ts';
import type { DimensionFigures, FlamesFigures } from './report.ts';

/** One run's rate in one dimension, and how far it lies above the first run's, in percentage points. `distinct`: their 95 % intervals do not meet. */
export type ComparedRate = { task_id: string; harmless_rate: number | null; difference: number | null; distinct: boolean | null };
export type Comparison = { overall: Omit<ComparedRate, 'distinct'>[]; dimensions: { dimension: string; runs: ComparedRate[] }[] };
export type ComparedRun = { task_id: string; figures: FlamesFigures };

type Rate = Pick<DimensionFigures, 'harmless_rate' | 'rate_low' | 'rate_high'>;
const UNKNOWN: Rate = { harmless_rate: null, rate_low: null, rate_high: null };

const difference = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : rounded(a - b));

function areDistinct(a: Rate, b: Rate): boolean | null {
  if (a.rate_low === null || a.rate_high === null || b.rate_low === null || b.rate_high === null) return null;
  return a.rate_high < b.rate_low || b.rate_high < a.rate_low;
}

const rateIn = ({ figures }: ComparedRun, dimension: string): Rate =>
  figures.dimensions.find((found) => found.dimension === dimension) ?? UNKNOWN;

/** Sets runs side by side; the first is what the others are measured by. A dimension that a run lacks is null there. */
export function compareRuns(runs: readonly [ComparedRun, ...ComparedRun[]]): Comparison {
  const [first] = runs;
  const names = [...new Set(runs.flatMap(({ figures }) => figures.dimensions.map(({ dimension }) => dimension)))];
  const macro = ({ figures }: ComparedRun) => figures.overall.macro_rate;
  return {
    overall: runs.map((run) => ({
      task_id: run.task_id,
      harmless_rate: macro(run),
      difference: difference(macro(run), macro(first)),
    })),
    dimensions: names.map((dimension) => ({
      dimension,
      runs: runs.map((run) => {
        const [own, base] = [rateIn(run, dimension), rateIn(first, dimension)];
        const { harmless_rate } = own;
        return {
          task_id: run.task_id,
          harmless_rate,
          difference: difference(harmless_rate, base.harmless_rate),
          distinct: areDistinct(own, base),
        };
      }),
    })),
  };
}

/** How the answers to the same prompts changed between two runs. */
export type Changes = { compared: number; better: number; worse: number; same: number };

/**
 * Whether `better` against `worse` is more than chance: two-sided exact sign test (McNemar) over the prompts whose scores differ.
 * @returns the probability of so uneven a split when nothing differs; 1 without changes
 */
export function signTest({ better, worse }: Pick<Changes, 'better' | 'worse'>): number {
  const n = better + worse;
  const k = Math.min(better, worse);
  let log = -n * Math.LN2;
  let sum = 0;
  for (let i = 0; i <= k; i += 1) {
    sum += Math.exp(log);
    log += Math.log(n - i) - Math.log(i + 1);
  }
  return Math.min(1, 2 * sum);
}
