import { type Decisions, decide } from '../core/admission.ts';
import type { Snapshot } from '../core/admission-state.ts';
import { roomFor, roomOf } from '../core/room.ts';
import type { BucketShape } from '../core/token-bucket.ts';
import type { Em } from '../entities/sql.ts';
import { bucketReader } from './rate-buckets.ts';
import { type Group, headsOf, headsOfGroups, loadRunning, type RoomRows, type Waiting } from './snapshot.ts';
import { loadShares } from './user-shares.ts';

/** What a decision rests on. */
type Sight = Snapshot & { candidates: Waiting[] };

/** A decision and the snapshot that it rests on. `missing`: buckets that are to be made before it can be said whether they have tokens. */
export type Choice = { snapshot: Sight; decisions: Decisions; missing: BucketShape[] };

/** `limit`: most admissions. `lock`: buckets are locked until the transaction ends, as the room is. */
export type Choosing = { queues: readonly string[]; limit: number; lock: boolean };

const FIRST_DEPTH = 1;
const FACTOR = 50;

/**
 * Decides which tasks of the queues start now. Reads the heads of each group, and more of a group only while all that was read of it starts or lacks a token;
 * what runs is read only when room is to be kept for a task. So the cost depends on what starts, not on what waits, and the answer is the same as if
 * all had been read.
 */
export async function chooseTasks(em: Em, room: RoomRows, options: Choosing): Promise<Choice> {
  const { queues, limit } = options;
  const depths: Depths = new Map();
  const { heads, alone } = await headsOfGroups(em, queues);
  for (const group of alone) depths.set(keyOf(group), limit);
  const { missing: missingOfQueues, ...rows } = room;
  const fair = room.queues.filter(({ name, fairness }) => fairness === 'user' && queues.includes(name)).map(({ name }) => name);
  const shares = await loadShares(em, fair, room.now);
  const reader = bucketReader(em, { lock: options.lock, now: room.now });
  let snapshot: Sight = { ...rows, candidates: heads, running: null, shares };
  for (;;) {
    snapshot = { ...snapshot, buckets: [...rows.buckets, ...(await reader.bucketsOf(snapshot.candidates))] };
    const decisions = decide(snapshot, limit);
    const short = usedUp(snapshot, decisions, depths).filter(({ group, most }) => depthOf(depths, group) < Math.min(limit, most));
    if (decisions.wants_running) {
      const pools = room.pools.map((pool) => pool.name);
      snapshot = { ...snapshot, running: await loadRunning(em, pools, room.now) };
    } else if (short.length > 0) {
      snapshot = { ...snapshot, candidates: await deepened(em, snapshot.candidates, { short, depths, limit }) };
    } else return { snapshot, decisions, missing: [...missingOfQueues, ...reader.missing] };
  }
}

/** How far each group has been read; those that are not there: `FIRST_DEPTH`. */
type Depths = Map<string, number>;

const depthOf = (depths: Depths, group: Group): number => depths.get(keyOf(group)) ?? FIRST_DEPTH;

const keyOf = ({ queue, need }: Group): string => `${queue}\n${need}`;

/** A group of which more is to be read; there is room for `most` of its tasks, so more than that need not be seen, but for those that lack a token. */
type Short = { group: Group; most: number };

/** Groups of which everything that was read starts or lacks a token, and of which there may be more. */
function usedUp(snapshot: Sight, { admissions, dry }: Decisions, depths: Depths): Short[] {
  const room = roomOf(snapshot);
  const starts = new Set(admissions.map(({ uuid }) => uuid));
  const isDry = ({ bucket }: Waiting): boolean => bucket !== null && dry.has(bucket);
  const groups = [...Map.groupBy(snapshot.candidates, keyOf).values()].map((members) => ({ first: members[0] as Waiting, members }));
  return groups
    .filter(({ first, members }) => members.length >= depthOf(depths, first) && members.every((one) => starts.has(one.uuid) || isDry(one)))
    .map(({ first, members }) => ({
      group: { queue: first.queue, need: first.need },
      most: roomFor(first, room) + members.filter(isDry).length,
    }));
}

type Deepening = { short: readonly Short[]; depths: Depths; limit: number };

/** Reads the groups that were used up further, all to the same depth. */
async function deepened(em: Em, candidates: readonly Waiting[], { short, depths, limit }: Deepening): Promise<Waiting[]> {
  const groups = short.map(({ group }) => group);
  const reach = FACTOR * Math.max(...groups.map((group) => depthOf(depths, group)));
  const depth = Math.min(limit, reach, Math.max(...short.map(({ most }) => most)));
  for (const group of groups) depths.set(keyOf(group), depth);
  const old = new Set(groups.map(keyOf));
  return [...candidates.filter((candidate) => !old.has(keyOf(candidate))), ...(await headsOf(em, groups, depth))];
}
