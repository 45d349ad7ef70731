import { intersectionOverUnion } from './box.ts';
import { type Box, type DetectedObject, PERSON } from './frame.ts';

/** Rows of a CenterNet of COCO: left, top, right, bottom in the network's picture, score, class. */
export type NetworkRow = readonly number[];

/** Side of the square picture that the network sees; what is shown to it is stretched to that. */
export const NETWORK_SIDE = 512;
const PERSON_CLASS = 0;

/** `min_score`: what scores less is none; `max_iou`: of boxes that overlap more, the better one stands. */
export type PersonRules = { min_score: number; max_iou: number };

function boxOf([left = 0, top = 0, right = 0, bottom = 0]: NetworkRow, { width, height }: { width: number; height: number }): Box {
  const [x, y] = [width / NETWORK_SIDE, height / NETWORK_SIDE];
  const edge = (value: number, scale: number) => Math.min(NETWORK_SIDE, Math.max(0, value)) * scale;
  const [l, t, r, b] = [edge(left, x), edge(top, y), edge(right, x), edge(bottom, y)].map((value) => Math.round(value * 10) / 10);
  return [l ?? 0, t ?? 0, Math.max(0, (r ?? 0) - (l ?? 0)), Math.max(0, (b ?? 0) - (t ?? 0))];
}

/**
 * Persons in what the network found, best first, each once, with boxes in pixels of the picture.
 * @param size of the picture
 */
export function personsOf(rows: readonly NetworkRow[], size: { width: number; height: number }, rules: PersonRules): DetectedObject[] {
  const found = rows
    .filter(([, , , , score = 0, kind]) => kind === PERSON_CLASS && score >= rules.min_score)
    .toSorted(([, , , , a = 0], [, , , , b = 0]) => b - a)
    .map((row) => ({ box: boxOf(row, size), score: Math.min(1, Math.round((row[4] ?? 0) * 1_000) / 1_000) }))
    .filter(({ box }) => box[2] > 0 && box[3] > 0);
  const kept: typeof found = [];
  for (const one of found) if (kept.every(({ box }) => intersectionOverUnion(box, one.box) <= rules.max_iou)) kept.push(one);
  return kept.map(({ box, score }) => ({ track_id: null, label: PERSON, score, box, violations: [] }));
}
