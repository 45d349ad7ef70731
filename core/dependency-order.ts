/** What each thing still waits for; what is no key here counts as done. */
type Waits = ReadonlyMap<number, readonly number[]>;

/**
 * Orders things so that each comes after what it waits for. Pure.
 * @returns `order`: those that can be ordered; `ring`: the others, which wait for themselves or for such
 */
export function inDependencyOrder(waits: Waits): { order: number[]; ring: number[] } {
  const open = new Map([...waits].map(([thing, others]) => [thing, new Set(others.filter((other) => waits.has(other)))]));
  const followers = followersOf(open);
  const order = [...open.keys()].filter((thing) => open.get(thing)?.size === 0);
  for (const thing of order) order.push(...(followers.get(thing) ?? []).filter((follower) => loses(open.get(follower), thing)));
  const ordered = new Set(order);
  return { order, ring: [...open.keys()].filter((thing) => !ordered.has(thing)) };
}

function followersOf(open: ReadonlyMap<number, ReadonlySet<number>>): Map<number, number[]> {
  const followers = new Map<number, number[]>();
  const pairs = [...open].flatMap(([thing, others]) => [...others].map((other) => [other, thing] as const));
  for (const [other, thing] of pairs) followers.set(other, [...(followers.get(other) ?? []), thing]);
  return followers;
}

/** Takes one away. @returns whether it was the last */
function loses(others: Set<number> | undefined, other: number): boolean {
  others?.delete(other);
  return others?.size === 0;
}
