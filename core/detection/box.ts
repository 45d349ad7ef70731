import type { Box } from './frame.ts';

/** Along one axis: 0 horizontally, 1 vertically. Negative where the boxes are apart. */
const overlap = (a: Box, b: Box, axis: 0 | 1): number =>
  Math.min(a[axis] + a[axis === 0 ? 2 : 3], b[axis] + b[axis === 0 ? 2 : 3]) - Math.max(a[axis], b[axis]);

/** Intersection over union of two boxes, 0–1; 0 where both have no area. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const shared = overlapOf(a, b);
  const union = a[2] * a[3] + b[2] * b[3] - shared;
  return union > 0 ? shared / union : 0;
}

function overlapOf(a: Box, b: Box): number {
  const width = overlap(a, b, 0);
  return width <= 0 ? 0 : width * Math.max(0, overlap(a, b, 1));
}

export type Pairing = { left: number; right: number };

/**
 * Pairs boxes of two lists, each at most once, the most similar first (greedy). Equal similarities go by position, so the answer depends on nothing else.
 * @param min_iou pairs less similar than this are none
 */
export function pairBoxes(left: readonly Box[], right: readonly Box[], min_iou: number): Pairing[] {
  const [takenLeft, takenRight] = [new Set<number>(), new Set<number>()];
  return similarPairs(left, right, min_iou).flatMap(({ left: i, right: j }) => {
    if (takenLeft.has(i) || takenRight.has(j)) return [];
    takenLeft.add(i);
    takenRight.add(j);
    return [{ left: i, right: j }];
  });
}

/** All pairs that are similar enough, the most similar first. Plain loops: this looks at hundreds of thousands of pairs a second. */
function similarPairs(left: readonly Box[], right: readonly Box[], min_iou: number): (Pairing & { iou: number })[] {
  const pairs: (Pairing & { iou: number })[] = [];
  for (const [i, a] of left.entries()) {
    for (const [j, b] of right.entries()) {
      const iou = intersectionOverUnion(a, b);
      if (iou >= min_iou && iou > 0) pairs.push({ left: i, right: j, iou });
    }
  }
  return pairs.sort((x, y) => y.iou - x.iou || x.left - y.left || x.right - y.right);
}
