import { type Block, measureBlock } from './block.ts';
import { noiseReason } from './noise.ts';
import type { Roles } from './process-usage.ts';

/** A block of our own and one of what it is compared with, one right after the other. */
export type Pair<A, B> = { ours: Block<A>; theirs: Block<B> };

/** The pairs that count, why others were thrown away, and why the rest cannot be trusted (null: they can). */
export type Pairs<A, B> = { pairs: Pair<A, B>[]; dropped: string[]; refused: string | null };

/** `blocks`: pairs wanted. `index` is unique over all calls of one measurement. `say`: progress for people. */
export type PairPlan<A, B> = {
  roles: Roles;
  blocks: number;
  ours(index: number): Promise<A>;
  theirs(index: number): Promise<B>;
  say(line: string): void;
};

async function measurePair<A, B>(plan: PairPlan<A, B>, index: number): Promise<Pair<A, B>> {
  if (index % 2 === 0) {
    const theirs = await measureBlock(plan.roles, () => plan.theirs(index));
    return { theirs, ours: await measureBlock(plan.roles, () => plan.ours(index)) };
  }
  const ours = await measureBlock(plan.roles, () => plan.ours(index));
  return { ours, theirs: await measureBlock(plan.roles, () => plan.theirs(index)) };
}

/**
 * Alternating blocks, the order swapped from pair to pair so that a drift of the machine's speed favours nobody. The first pair only warms up. A noisy pair is
 * measured again, up to as many times as pairs are wanted; where that is not enough the noisy ones are given back, and the figure is refused.
 */
export async function alternate<A, B>(plan: PairPlan<A, B>): Promise<Pairs<A, B>> {
  await measurePair(plan, 0);
  const quiet: Pair<A, B>[] = [];
  const noisy: Pair<A, B>[] = [];
  const dropped: string[] = [];
  for (let index = 1; quiet.length < plan.blocks && index <= 2 * plan.blocks; index += 1) {
    const pair = await measurePair(plan, index);
    const reason = noiseReason([pair.ours, pair.theirs]);
    plan.say(`pair ${quiet.length + 1} of ${plan.blocks}${reason ? `: noisy, ${reason}` : ''}`);
    if (reason) dropped.push(reason);
    (reason ? noisy : quiet).push(pair);
  }
  if (quiet.length >= plan.blocks) return { pairs: quiet, dropped, refused: null };
  return { pairs: [...quiet, ...noisy], dropped: [], refused: dropped.at(-1) ?? 'noisy' };
}
