import type { Snapshot } from '../core/admission-state.ts';
import { roomOf } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { chooseFitting } from './choose-fitting.ts';
import type { Reach } from './fitting-behind.ts';
import { lastRead, linesOf, type Seen, whatLacks } from './line-ends.ts';
import { firstInLine, type Waiting } from './snapshot.ts';

/** How many tasks of each queue are read at first, and then. */
const DEPTHS = [32, 256];

/** `depths`: how many tasks of each queue are read, one after the other; `reach`: see `chooseFitting`. For tests: absent is what a dispatcher does. */
export type Depths = { depths?: readonly number[]; reach?: Reach };

/** `decide`: reads what else a decision needs and makes it. */
type Looking<C> = Depths & { queues: readonly string[]; limit: number; decide: (candidates: Waiting[]) => Promise<C & Seen> };

/** `unread`: queues of which there is more behind what was read. */
export type InLine<C> = { choice: C; unread: ReadonlySet<string> };

/**
 * Decides by the first tasks of each queue alone, in their order, where that is enough: where nothing starts out of turn behind what was read, and nothing that
 * was not read could fit into what is left. Then the answer is the one that looking at all tasks would give, for whatever is behind could only
 * wait, and what waits there is no obstacle to what is before it. So a pass costs the same whatever waits, and of however many needs.
 * @returns null where it is not enough
 */
export async function chooseInLine<C>(
  em: Em,
  room: Snapshot,
  { queues, limit, depths = DEPTHS, reach, decide }: Looking<C>,
): Promise<InLine<C> | null> {
  for (const [n, depth] of depths.entries()) {
    const choice = await decide(await firstInLine(em, linesOf(queues, roomOf(room), room), depth));
    const last = lastRead(choice.snapshot.candidates, depth);
    const unread = new Set(last.map(({ queue }) => queue));
    const lacks = await whatLacks(em, choice, { last, limit });
    if (lacks === 'nothing') return { choice, unread };
    const further = lacks === 'more' && n === 0 ? await chooseFitting(em, { ...choice, last }, { limit, reach, decide }) : null;
    if (further) return { choice: further, unread };
  }
  return null;
}
