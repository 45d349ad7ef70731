import type { Candidate, Snapshot } from '../core/admission-state.ts';
import { fits } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { fittingBehind, type LineBehind, type Reach } from './fitting-behind.ts';
import { behindIn, openAfter, type Seen, startsBehind, whatLacks } from './line-ends.ts';
import { fitsBehind, type Waiting } from './snapshot.ts';

/** So many that fit are read of each queue, among so many that wait in all of them: to walk further costs more than to look at the head of each need. */
const REACH: Reach = { most: 32, walk: 2_048 };

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
  const ends = await endsOf(em, { lines, rows, reach });
  const choice = await decide([...sight.snapshot.candidates, ...rows]);
  if (startsBehind(choice, ends.unsure, choice.decisions.admissions.length >= limit)) return null;
  return (await whatLacks(em, choice, { last: ends.more, limit })) === 'nothing' ? choice : null;
}

type Behind = LineBehind & { last: Candidate };

/**
 * The last task that was read of each queue: `more`, of those behind which there may be others that fit; `unsure`, also of those behind which there may be one for which
 * room is kept.
 */
async function endsOf(em: Em, { lines, rows, reach }: { lines: Behind[]; rows: Waiting[]; reach: Reach }) {
  const read = new Map(lines.map((line) => [line, rows.filter(({ queue }) => queue === line.queue)]));
  const endOf = (line: Behind): Candidate => read.get(line)?.at(-1) ?? line.last;
  const short = lines.filter((line) => (read.get(line)?.length ?? 0) < reach.most);
  const more = short.length > 0 && (await fitsBehind(em, short, short.map(endOf))) ? lines : lines.filter((line) => !short.includes(line));
  return { more: more.map(endOf), unsure: lines.filter((line) => more.includes(line) || line.old_before !== null).map(endOf) };
}

/** The queues to read on in, each behind the last task that was read; null where a task that does not fit could block a strict queue. */
function linesBehind({ last, ...seen }: Sight): Behind[] | null {
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
