import type { Decisions } from '../core/admission.ts';
import type { Candidate, Snapshot } from '../core/admission-state.ts';
import { inOrder } from '../core/order.ts';
import { gapOf, placeOf, type Room, roomOf, take, takeTokens } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { firstInLine, fitsBehind, type Line, type Waiting } from './snapshot.ts';

/** How many tasks of each queue are read at first, and then. */
const DEPTHS = [32, 256];

/** `decide`: reads what else a decision needs and makes it. */
type Looking<C> = {
  queues: readonly string[];
  limit: number;
  depths?: readonly number[] | undefined;
  decide: (candidates: Waiting[]) => Promise<C & { snapshot: Snapshot; decisions: Decisions }>;
};

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
  { queues, limit, depths = DEPTHS, decide }: Looking<C>,
): Promise<InLine<C> | null> {
  for (const depth of depths) {
    const choice = await decide(await firstInLine(em, linesOf(queues, roomOf(room), room), depth));
    const last = lastRead(choice.snapshot.candidates, depth);
    const found = { choice, unread: new Set(last.map(({ queue }) => queue)) };
    if (last.length === 0) return found;
    const used_up = choice.decisions.admissions.length >= limit;
    if (startsBehind(choice, last, used_up)) continue;
    if (used_up || !(await moreFits(em, choice, last))) return found;
  }
  return null;
}

const linesOf = (queues: readonly string[], room: Room, { queues: all }: Snapshot): Line[] =>
  all.flatMap(({ name, pool }) => (queues.includes(name) ? [{ queue: name, pool, gap: gapOf(pool, room) }] : []));

/** The last task of each queue of which there may be more. */
function lastRead(candidates: readonly Candidate[], depth: number): Candidate[] {
  const lines = [...Map.groupBy(candidates, ({ queue }) => queue).values()].filter((line) => line.length >= depth);
  return lines.flatMap((line) => line.reduce((a, b) => (a.vtime < b.vtime || (a.vtime === b.vtime && a.uuid < b.uuid) ? b : a)));
}

type Seen = { snapshot: Snapshot; decisions: Decisions };

/**
 * Whether a task starts that comes after one that was read last in its pool: between the two others may be that were not read. Where the limit of a pass is used
 * up, the pools compete for it.
 */
function startsBehind({ snapshot, decisions }: Seen, last: readonly Candidate[], used_up: boolean): boolean {
  const room = roomOf(snapshot);
  const turns = new Map(inOrder(snapshot.candidates, room.queues).map(({ candidate }, turn) => [candidate.uuid, turn]));
  const turnOf = (uuid: string): number => turns.get(uuid) ?? Infinity;
  const ends = new Map<string, number>();
  for (const task of last) {
    const pool = used_up ? '' : placeOf(task, room).pool.name;
    ends.set(pool, Math.min(turnOf(task.uuid), ends.get(pool) ?? Infinity));
  }
  const pools = new Map(snapshot.queues.map(({ name, pool }) => [name, used_up ? '' : pool]));
  return decisions.admissions.some(({ uuid, queue }) => turnOf(uuid) > (ends.get(pools.get(queue) ?? '') ?? Infinity));
}

/** Whether anything behind what was read could fit into what is left after the admissions. */
async function moreFits(em: Em, { snapshot, decisions }: Seen, last: readonly Candidate[]): Promise<boolean> {
  const room = roomAfter(snapshot, decisions);
  const open = last.filter(({ queue }) => {
    const line = room.queues.get(queue);
    return line !== undefined && line.current_load < line.capacity;
  });
  if (open.length === 0) return false;
  const queues = open.map(({ queue }) => queue);
  return await fitsBehind(em, linesOf(queues, room, snapshot), open);
}

function roomAfter(snapshot: Snapshot, { admissions }: Decisions): Room {
  const room = roomOf(snapshot);
  const candidates = new Map(snapshot.candidates.map((candidate) => [candidate.uuid, candidate]));
  for (const { uuid, worker } of admissions) {
    const candidate = candidates.get(uuid) as Candidate;
    take(room, { queue: candidate.queue, pool: placeOf(candidate, room).pool.name, worker, amount: candidate.amount });
    takeTokens(room, candidate, snapshot.now);
  }
  return room;
}
