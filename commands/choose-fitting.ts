import type { Candidate, Snapshot } from '../core/admission-state.ts';
import { fits } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { fittingBehind, type LineBehind, type Reach } from './fitting-behind.ts';
import { behindIn, lastRead, openAfter, type Seen, startsBehind } from './line-ends.ts';
import { fitsBehind, type Waiting } from './snapshot.ts';

/** So many that fit are read of each queue, among so many that wait in all of them: to walk further costs more than to look at the head of each need. */
const REACH: Reach = { most: 32, walk: 4_096 };

/** What the first tasks of each queue led to, and the last of each of which there is more. */
type Sight = Seen & { last: readonly Candidate[] };

type Looking<C> = { limit: number; reach: Reach | undefined; decide: (candidates: Waiting[]) => Promise<C & Seen> };

/**
 * Decides by the first tasks of each queue and by the next ones that fit into what these leave: for where what is first in line does not fit, but something behind
 * it does. What comes after all that starts and fits not even then can only wait, and matters to others only where room would be kept for it, or where a strict
 * queue waits behind it: where that cannot be ruled out, this says nothing.
 * @returns null where it is not enough
 */
export async function chooseFitting<C>(em: Em, sight: Sight, { limit, reach = REACH, decide }: Looking<C>): Promise<(C & Seen) | null> {
  const lines = linesBehind(sight);
  if (!lines) return null;
  const rows = await fittingBehind(em, lines, { ...reach, walk: reach.walk >> Math.ceil(Math.log2(lines.length)) });
  if (rows.length === 0 || rows.some((row) => !lines.some(({ queue, gap }) => queue === row.queue && fits(row.amount, gap)))) return null;
  const full = lastRead(rows, reach.most);
  const ends = lines.map(({ queue, last }) => rows.findLast((row) => row.queue === queue) ?? last);
  const short = lines.filter(({ queue }) => !full.some((row) => row.queue === queue));
  if (await anyFits(em, short, ends)) return null;
  const choice = await decide([...sight.snapshot.candidates, ...rows]);
  const used_up = choice.decisions.admissions.length >= limit;
  const unsure = ends.filter(({ queue }) =>
    lines.some((line) => line.queue === queue && (line.old_before !== null || !short.includes(line))),
  );
  if (startsBehind(choice, unsure, used_up)) return null;
  if (used_up) return choice;
  const { open, lines: left } = openAfter(choice, full);
  return open.length > 0 && (await fitsBehind(em, left, open)) ? null : choice;
}

async function anyFits(em: Em, lines: readonly LineBehind[], ends: readonly Candidate[]): Promise<boolean> {
  const places = ends.filter(({ queue }) => lines.some((line) => line.queue === queue));
  return places.length > 0 && (await fitsBehind(em, lines, places));
}

/** The queues to read on in, each behind the last task that was read; null where a task that does not fit could block a strict queue. */
function linesBehind({ last, ...seen }: Sight): (LineBehind & { last: Candidate })[] | null {
  const { snapshot, decisions } = seen;
  const { open, lines } = openAfter(seen, last);
  const behind = behindIn(snapshot, last, { across: false });
  const kept = new Set(decisions.reservations.filter((one) => !behind(one)).map(({ pool }) => pool));
  const queues = new Map(snapshot.queues.map((queue) => [queue.name, queue]));
  const found = lines.map((line) => {
    const { policy, reserve_after_s } = queues.get(line.queue) as Snapshot['queues'][number];
    const old_before = policy === 'best_effort' || kept.has(line.pool) ? null : snapshot.now - reserve_after_s * 1000 + MARGIN_MS;
    return { ...line, policy, last: open.find(({ queue }) => queue === line.queue) as Candidate, old_before };
  });
  return found.some(({ policy }) => policy === 'strict') ? null : found;
}

/** So that no rounding hides a task for which room is kept. */
const MARGIN_MS = 1;
