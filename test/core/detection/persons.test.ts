import fc from 'fast-check';
import { intersectionOverUnion } from '../../../core/detection/box.ts';
import { type NetworkRow, personsOf } from '../../../core/detection/persons.ts';

const SIZE = { width: 768, height: 576 };
const RULES = { min_score: 0.3, max_iou: 0.45 };
const persons = (rows: NetworkRow[]) => personsOf(rows, SIZE, RULES);

test('boxes are stretched from the network’s picture to the real one, edges cut', () => {
  expect(persons([[-10, 128, 256, 600, 0.9, 0]])).toEqual([
    { track_id: null, label: 'person', score: 0.9, box: [0, 144, 384, 432], violations: [] },
  ]);
});

test('other things and weak guesses are no persons, nor are boxes without area', () => {
  const rows = [
    [0, 0, 50, 100, 0.9, 2],
    [0, 0, 50, 100, 0.29, 0],
    [600, 0, 700, 100, 0.9, 0],
    [50, 100, 50, 200, 0.9, 0],
  ];
  expect(persons(rows)).toEqual([]);
});

test('of boxes that overlap much the best stands, the others are the same person', () => {
  const rows = [
    [0, 0, 100, 100, 0.5, 0],
    [5, 0, 105, 100, 0.8, 0],
    [90, 0, 190, 100, 0.4, 0],
  ];
  expect(persons(rows).map(({ score }) => score)).toEqual([0.8, 0.4]);
});

test('what is left never overlaps more than allowed, is sorted, and nothing strong enough is lost without a better one over it', () => {
  const row = fc.tuple(
    fc.integer({ min: -50, max: 560 }),
    fc.integer({ min: -50, max: 560 }),
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 0, max: 1000 }),
    fc.integer({ min: 0, max: 2 }),
  );
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), (drawn) => {
      const rows = drawn.map(([left, top, w, h, score, kind]) => [left, top, left + w, top + h, score / 1000, kind]);
      const found = persons(rows);
      const scores = found.map(({ score }) => score ?? 0);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      for (const [i, a] of found.entries()) {
        expect(a.score).toBeGreaterThanOrEqual(RULES.min_score);
        for (const b of found.slice(i + 1))
          expect(intersectionOverUnion(a.box ?? [0, 0, 0, 0], b.box ?? [0, 0, 0, 0])).toBeLessThanOrEqual(RULES.max_iou);
      }
      for (const one of rows.flatMap((each) => personsOf([each], SIZE, RULES))) {
        const over = found.some(
          (kept) =>
            (kept.score ?? 0) >= (one.score ?? 0) &&
            intersectionOverUnion(kept.box ?? [0, 0, 0, 0], one.box ?? [0, 0, 0, 0]) > RULES.max_iou,
        );
        expect(over || found.some((kept) => kept.score === one.score)).toBe(true);
      }
    }),
  );
});
