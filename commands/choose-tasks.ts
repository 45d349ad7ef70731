import { type Decisions, decide } from '../core/admission.ts';
import type { Candidate, Snapshot } from '../core/admission-state.ts';
import { roomFor, roomOf } from '../core/room.ts';
import type { Em } from '../entities/sql.ts';
import { type Group, headsOf, headsOfGroups, loadRunning, type RoomRows } from './snapshot.ts';

/** A decision and the snapshot that it rests on. */
export type Choice = { snapshot: Snapshot; decisions: Decisions };

const FIRST_DEPTH = 1;
const FACTOR = 50;

/**
 * Decides which tasks of the queues start now. Reads the heads of each group, and more of a group only while all that was read of it starts; what
 * runs is read only when room is to be kept for a task. So the cost depends on what starts, not on what waits, and the answer is the same as if all
 * had been read.
 * @param options.limit most admissions
 */
export async function chooseTasks(em: Em, room: RoomRows, options: { queues: readonly string[]; limit: number }): Promise<Choice> {
  const { queues, limit } = options;
  const depths: Depths = new Map();
  const { heads, alone } = await headsOfGroups(em, queues);
  for (const group of alone) depths.set(keyOf(group), limit);
  let snapshot: Snapshot = { ...room, candidates: heads, running: null };
  for (;;) {
    const decisions = decide(snapshot, limit);
    const short = usedUp(snapshot, decisions, depths).filter(({ group, most }) => depthOf(depths, group) < Math.min(limit, most));
    if (decisions.wants_running) {
      const pools = room.pools.map((pool) => pool.name);
      snapshot = { ...snapshot, running: await loadRunning(em, pools, room.now) };
    } else if (short.length > 0) {
      snapshot = { ...snapshot, candidates: await deepened(em, snapshot.candidates, { short, depths, limit }) };
    } else return { snapshot, decisions };
  }
}

/** How far each group has been read; those that are not there: `FIRST_DEPTH`. */
type Depths = Map<string, number>;

const depthOf = (depths: Depths, group: Group): number => depths.get(keyOf(group)) ?? FIRST_DEPTH;

const keyOf = ({ queue, need }: Group): string => `${queue}\n${need}`;

/** A group of which more is to be read; there is room for `most` of its tasks, so more than that need not be seen. */
type Short = { group: Group; most: number };

/** Groups of which everything that was read starts, and of which there may be more. */
function usedUp(snapshot: Snapshot, { admissions }: Decisions, depths: Depths): Short[] {
  const room = roomOf(snapshot);
  const starts = new Set(admissions.map(({ uuid }) => uuid));
  const groups = [...Map.groupBy(snapshot.candidates, keyOf).values()].map((members) => ({ first: members[0] as Candidate, members }));
  return groups
    .filter(({ first, members }) => members.length >= depthOf(depths, first) && members.every(({ uuid }) => starts.has(uuid)))
    .map(({ first }) => ({ group: { queue: first.queue, need: first.need }, most: roomFor(first, room) }));
}

type Deepening = { short: readonly Short[]; depths: Depths; limit: number };

/** Reads the groups that were used up further, all to the same depth. */
async function deepened(em: Em, candidates: readonly Candidate[], { short, depths, limit }: Deepening): Promise<Candidate[]> {
  const groups = short.map(({ group }) => group);
  const reach = FACTOR * Math.max(...groups.map((group) => depthOf(depths, group)));
  const depth = Math.min(limit, reach, Math.max(...short.map(({ most }) => most)));
  for (const group of groups) depths.set(keyOf(group), depth);
  const old = new Set(groups.map(keyOf));
  return [...candidates.filter((candidate) => !old.has(keyOf(candidate))), ...(await headsOf(em, groups, depth))];
}
