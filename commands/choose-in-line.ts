import type { Candidate, Snapshot } from '../core/admission-state.ts';
import { roomOf } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { chooseFitting } from './choose-fitting.ts';
import type { Reach } from './fitting-behind.ts';
import { lastRead, linesOf, openAfter, type Seen, startsBehind } from './line-ends.ts';
import { firstInLine, fitsBehind, type Waiting } from './snapshot.ts';

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
  for (const depth of depths) {
    const choice = await decide(await firstInLine(em, linesOf(queues, roomOf(room), room), depth));
    const last = lastRead(choice.snapshot.candidates, depth);
    const found = { choice, unread: new Set(last.map(({ queue }) => queue)) };
    if (last.length === 0) return found;
    const used_up = choice.decisions.admissions.length >= limit;
    if (startsBehind(choice, last, used_up)) continue;
    if (used_up || !(await moreFits(em, choice, last))) return found;
    const further = depth === depths[0] ? await chooseFitting(em, { ...choice, last }, { limit, reach, decide }) : null;
    if (further) return { ...found, choice: further };
  }
  return null;
}

/** Whether anything behind what was read could fit into what is left after the admissions. */
async function moreFits(em: Em, seen: Seen, last: readonly Candidate[]): Promise<boolean> {
  const { open, lines } = openAfter(seen, last);
  return open.length > 0 && (await fitsBehind(em, lines, open));
}
