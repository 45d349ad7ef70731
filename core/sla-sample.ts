import type { Condition, GroupLeaf, Member } from './sla.ts';
import type { WatchRule } from './sla-watch.ts';

/** Above which value a leaf is broken. Ages in seconds, shares from 0 to 1. */
export function limitOf(leaf: GroupLeaf): number {
  switch (leaf.kind) {
    case 'absence':
      return leaf.within_s;
    case 'freshness':
      return leaf.max_age_s;
    case 'queue_oldest_age':
      return leaf.gt_s;
    default:
      return leaf.gt;
  }
}

/** Kinds whose value is an age in seconds, so that the moment in which it came above its limit is known. */
const AGES: ReadonlySet<string> = new Set<GroupLeaf['kind']>(['absence', 'freshness', 'queue_oldest_age']);

/** A sampled leaf. */
export type LeafSample = { leaf: GroupLeaf; value: number | null };

/** When an age came above its limit; null: not an age, or not above. */
export function crossedAt({ leaf, value }: LeafSample, at: number): number | null {
  const limit = limitOf(leaf);
  return AGES.has(leaf.kind) && value !== null && value > limit ? at - (value - limit) * 1000 : null;
}

/** A combination is broken (1) or not (0) by whether its members are above their limits at this moment. */
export function combined(member: Member, values: ReadonlyMap<string, LeafSample>, path: string): boolean {
  if (member.kind === 'all') return member.of.every((inner, n) => combined(inner, values, `${path}.${n}`));
  if (member.kind === 'any') return member.of.some((inner, n) => combined(inner, values, `${path}.${n}`));
  const sample = values.get(path);
  return sample !== undefined && sample.value !== null && sample.value > limitOf(sample.leaf);
}

/** The rule of a condition on a group, with its defaults. */
export function ruleOf(condition: Condition): WatchRule {
  const { for_s = 0, clear_for_s = 0, clear } = condition as { for_s?: number; clear_for_s?: number; clear?: number };
  const limit = condition.kind === 'all' || condition.kind === 'any' ? 0.5 : limitOf(condition as GroupLeaf);
  return { limit, clear: Math.min(clear ?? limit, limit), for_ms: for_s * 1000, clear_for_ms: clear_for_s * 1000 };
}

/** Leaves with their paths below the condition's own. */
export function pathsOf(member: Member, path: string): { leaf: GroupLeaf; path: string }[] {
  if (member.kind === 'all' || member.kind === 'any') return member.of.flatMap((inner, n) => pathsOf(inner, `${path}.${n}`));
  return [{ leaf: member as GroupLeaf, path }];
}
