import type { Decisions } from '../core/admission.ts';
import { type Candidate, GateName, type Snapshot } from '../core/admission-state.ts';
import { inOrder } from '../core/order.ts';
import { gapOf, placeOf, type Room, roomOf, take, takeTokens } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { fitsBehind, type Line, type Waiting } from './snapshot.ts';

/** Candidates, and what was decided about them. */
export type Seen = { snapshot: Snapshot & { candidates: Waiting[] }; decisions: Decisions };

/** The last task of each queue of which there may be more. */
export function lastRead(candidates: readonly Candidate[], depth: number): Candidate[] {
  const lines = [...Map.groupBy(candidates, ({ queue }) => queue).values()].filter((line) => line.length >= depth);
  return lines.flatMap((line) => line.reduce((a, b) => (a.vtime < b.vtime || (a.vtime === b.vtime && a.uuid < b.uuid) ? b : a)));
}

/** Tells whether a task comes after one of those that were read last in its pool: between the two others may be that were not read. */
export function behindIn(snapshot: Snapshot, last: readonly Candidate[], { across }: { across: boolean }) {
  const room = roomOf(snapshot);
  const turns = new Map(inOrder(snapshot.candidates, room.queues).map(({ candidate }, turn) => [candidate.uuid, turn]));
  const turnOf = (uuid: string): number => turns.get(uuid) ?? Infinity;
  const poolOf = (queue: string): string => (across ? '' : (room.queues.get(queue)?.pool ?? ''));
  const ends = new Map<string, number>();
  for (const { uuid, queue } of last) ends.set(poolOf(queue), Math.min(turnOf(uuid), ends.get(poolOf(queue)) ?? Infinity));
  return ({ uuid, queue }: Pick<Candidate, 'uuid' | 'queue'>): boolean => turnOf(uuid) > (ends.get(poolOf(queue)) ?? Infinity);
}

/**
 * Whether a task starts behind one that was read last, or could but for kept room, which may be another's then. Where the limit of a pass is used up, the pools
 * compete for it.
 */
export function startsBehind({ snapshot, decisions }: Seen, last: readonly Candidate[], used_up: boolean): boolean {
  const behind = behindIn(snapshot, last, { across: used_up });
  const kept_out = decisions.refusals.filter(({ gates }) => gates.some(({ gate }) => gate === GateName.reservation));
  return decisions.admissions.some(behind) || kept_out.some(behind);
}

export const linesOf = (queues: readonly string[], room: Room, { queues: all }: Snapshot): Line[] =>
  all.flatMap(({ name, pool }) => (queues.includes(name) ? [{ queue: name, pool, gap: gapOf(pool, room) }] : []));

/** Of the tasks that were read last those behind which another might start, and the gaps that are left for it after the admissions. */
export function openAfter({ snapshot, decisions }: Seen, last: readonly Candidate[]): { open: Candidate[]; lines: Line[] } {
  const room = roomAfter(snapshot, decisions);
  const open = last.filter(({ queue }) => {
    const line = room.queues.get(queue);
    return line !== undefined && line.current_load < line.capacity && !decisions.blocked.has(queue);
  });
  return { open, lines: linesOf([...new Set(open.map(({ queue }) => queue))], room, snapshot) };
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

type End = { last: readonly Candidate[]; limit: number };

/** What keeps the answer from being that of looking at all tasks: `turns`: those that were not read may come before what starts; `more`: they may start as well. */
export async function whatLacks(em: Em, seen: Seen, { last, limit }: End): Promise<'nothing' | 'turns' | 'more'> {
  if (last.length === 0) return 'nothing';
  const used_up = seen.decisions.admissions.length >= limit;
  if (startsBehind(seen, last, used_up)) return 'turns';
  if (used_up) return 'nothing';
  const { open, lines } = openAfter(seen, last);
  return open.length > 0 && (await fitsBehind(em, lines, open)) ? 'more' : 'nothing';
}
