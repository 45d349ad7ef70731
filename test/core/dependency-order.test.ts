import fc from 'fast-check';
import { inDependencyOrder } from '../../core/dependency-order.ts';

/** Any things that wait for any things, rings and strangers included. */
const graphs = fc.array(fc.array(fc.nat({ max: 14 }), { maxLength: 4 }), { maxLength: 12 }).map((lists) => new Map(lists.entries()));
/** Things that wait only for smaller ones, under shuffled keys. */
const acyclic = fc
  .array(fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), { maxLength: 20 })
  .map(
    (lists) => new Map([...lists.entries()].map(([thing, others]) => [thing, others.filter((other) => other < thing)] as const).reverse()),
  );

describe('the order of dependencies', () => {
  it('has each thing after all that it waits for, and nothing twice', () => {
    fc.assert(
      fc.property(graphs, (waits) => {
        const { order, ring } = inDependencyOrder(waits);
        expect([...order, ...ring].sort()).toEqual([...waits.keys()].sort());
        const places = new Map(order.map((thing, place) => [thing, place]));
        const pairs = order.flatMap((thing) => (waits.get(thing) ?? []).filter((other) => waits.has(other)).map((other) => [other, thing]));
        expect(pairs.filter(([other = -1, thing = -1]) => (places.get(other) ?? Infinity) >= (places.get(thing) ?? -1))).toEqual([]);
      }),
    );
  });

  it('finds no ring where there is none', () => {
    fc.assert(fc.property(acyclic, (waits) => expect(inDependencyOrder(waits).ring).toEqual([])));
  });

  it('finds a ring, and what hangs on it, but not what it hangs on', () => {
    const waits = new Map([
      [0, []],
      [1, [0, 3]],
      [2, [1]],
      [3, [2]],
      [4, [3]],
      [5, [0]],
      [6, [6]],
    ]);
    expect(inDependencyOrder(waits)).toEqual({ order: [0, 5], ring: [1, 2, 3, 4, 6] });
  });
});
