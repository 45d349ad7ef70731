import type { Block } from './block.ts';

/** What makes a figure worthless: the same loop varying by more than this share, or others using more than these cores. */
export const NOISE_LIMITS = { loop_variation: 0.25, foreign_cores: 0.3 };

type Stretch = Pick<Block<unknown>, 'calibration_ms' | 'foreign_cores'>;

/** How noisy the machine was during these blocks: greatest over least loop time less one, and the most cores that others used. */
export function noiseOf(blocks: readonly Stretch[]): { loop_variation: number; foreign_cores: number } {
  const loops = blocks.flatMap((block) => block.calibration_ms);
  return {
    loop_variation: Math.max(...loops) / Math.min(...loops) - 1,
    foreign_cores: Math.max(...blocks.map((block) => block.foreign_cores)),
  };
}

/** Why these blocks cannot be trusted, in one clause; null when they can. */
export function noiseReason(blocks: readonly Stretch[]): string | null {
  const { loop_variation, foreign_cores } = noiseOf(blocks);
  if (loop_variation > NOISE_LIMITS.loop_variation) return `the calibration loop varied by ${Math.round(loop_variation * 100)} %`;
  if (foreign_cores > NOISE_LIMITS.foreign_cores) return `other processes used ${foreign_cores.toFixed(2)} cores`;
  return null;
}
