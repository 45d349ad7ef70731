import { type Decisions, decide, groupKey } from '../core/admission.ts';
import type { Snapshot } from '../core/admission-state.ts';
import { roomFor, roomOf } from '../core/room.ts';
import type { BucketShape } from '../core/token-bucket.ts';
import type { Em } from '../entities/sql.ts';
import { chooseInLine, type Depths, type InLine } from './choose-in-line.ts';
import { bucketReader } from './rate-buckets.ts';
import { type Group, headsOf, headsOfGroups, loadRunning, type RoomRows, type Waiting } from './snapshot.ts';
import { loadShares } from './user-shares.ts';

/** What a decision rests on. */
type Sight = Snapshot & { candidates: Waiting[] };

/**
 * A decision and the snapshot that it rests on. `missing`: buckets that are to be made before it can be said whether they have tokens. `more`: groups of which all that was
 * read starts, and more may wait for which there is no room; as `groupKey`.
 */
export type Choice = { snapshot: Sight; decisions: Decisions; missing: BucketShape[]; more: ReadonlySet<string> };

/**
 * `limit`: most admissions. `lock`: buckets are locked until the transaction ends, as the room is. `whole`: the heads of all groups are read, so that every
 * refusal is known.
 */
export type Choosing = Depths & { queues: readonly string[]; limit: number; lock: boolean; whole?: boolean };

const NONE: ReadonlySet<string> = new Set();
const FIRST_DEPTH = 1;
const FACTOR = 50;

/**
 * Decides which tasks of the queues start now, as if all that wait had been read. Mostly the first tasks of each queue are enough for that. Where they are
 * not, reads the heads of each group, and more of a group only while all that was read of it starts or lacks a token: so the cost never depends on how many
 * tasks wait. What runs is read only when room is to be kept for a task.
 */
export async function chooseTasks(em: Em, room: RoomRows, options: Choosing): Promise<Choice> {
  const { queues, limit, depths, reach, whole = false } = options;
  const { missing, ...rows } = room;
  const fair = room.queues.filter(({ name, fairness }) => fairness === 'user' && queues.includes(name)).map(({ name }) => name);
  const empty: Sight = { ...rows, candidates: [], running: null, shares: await loadShares(em, fair, room.now) };
  const reader = bucketReader(em, { lock: options.lock, now: room.now });
  const decider: Decider = { em, limit, reader, empty, missing };
  const decideOn = (candidates: Waiting[]): Promise<Choice> => decideWith(decider, candidates);
  const simple =
    whole || fair.length > 0 ? null : await chooseInLine<Choice>(em, empty, { queues, limit, depths, reach, decide: decideOn });
  return simple ? { ...simple.choice, more: groupsOf(simple) } : await chooseByGroup(em, queues, { limit, decide: decideOn });
}

/** Of a queue that was not read to its end, any group may go on behind what was read. */
const groupsOf = ({ choice, unread }: InLine<Choice>): Set<string> =>
  new Set(choice.snapshot.candidates.filter(({ queue }) => unread.has(queue)).map(groupKey));

type Decider = { em: Em; limit: number; reader: ReturnType<typeof bucketReader>; empty: Sight; missing: BucketShape[] };

async function decideWith({ em, limit, reader, empty, missing }: Decider, candidates: Waiting[]): Promise<Choice> {
  const snapshot: Sight = { ...empty, candidates, buckets: [...empty.buckets, ...(await reader.bucketsOf(candidates))] };
  const decisions = decide(snapshot, limit);
  const all = [...missing, ...reader.missing];
  if (!decisions.wants_running) return { snapshot, decisions, missing: all, more: NONE };
  const pools = empty.pools.map((pool) => pool.name);
  empty.running ??= await loadRunning(em, pools, empty.now);
  const known = { ...snapshot, running: empty.running };
  return { snapshot: known, decisions: decide(known, limit), missing: all, more: NONE };
}

async function chooseByGroup(
  em: Em,
  queues: readonly string[],
  { limit, decide: decideOn }: { limit: number; decide: (candidates: Waiting[]) => Promise<Choice> },
): Promise<Choice> {
  const depths: Read = new Map();
  const { heads, alone } = await headsOfGroups(em, queues);
  for (const group of alone) depths.set(groupKey(group), limit);
  for (let candidates = heads; ; ) {
    const choice = await decideOn(candidates);
    const used = usedUp(choice, depths);
    const short = used.filter(({ group, most }) => depthOf(depths, group) < Math.min(limit, most));
    if (short.length === 0) return { ...choice, more: new Set(used.map(({ group }) => groupKey(group))) };
    candidates = await deepened(em, candidates, { short, depths, limit });
  }
}

/** How far each group has been read; those that are not there: `FIRST_DEPTH`. */
type Read = Map<string, number>;

const depthOf = (depths: Read, group: Pick<Group, 'queue' | 'need'>): number => depths.get(groupKey(group)) ?? FIRST_DEPTH;

/**
 * A group of which more is to be read; `most`: there is room for one less, beside those that lack a token. The one after them cannot start, but room may be kept for it,
 * or a strict queue wait behind it; it stands for all others.
 */
type Short = { group: Group; most: number };

/** Groups of which everything that was read starts or lacks a token, and of which there may be more. */
function usedUp({ snapshot, decisions: { admissions, dry } }: Choice, depths: Read): Short[] {
  const room = roomOf(snapshot);
  const starts = new Set(admissions.map(({ uuid }) => uuid));
  const isDry = ({ bucket }: Waiting): boolean => bucket !== null && dry.has(bucket);
  const groups = [...Map.groupBy(snapshot.candidates, groupKey).values()].map((members) => ({ first: members[0] as Waiting, members }));
  return groups
    .filter(({ first, members }) => members.length >= depthOf(depths, first) && members.every((one) => starts.has(one.uuid) || isDry(one)))
    .map(({ first, members }) => ({
      group: { queue: first.queue, need: first.need, amount: first.amount },
      most: roomFor(first, room) + members.filter(isDry).length + 1,
    }));
}

type Deepening = { short: readonly Short[]; depths: Read; limit: number };

/** Reads the groups that were used up further, all to the same depth. */
async function deepened(em: Em, candidates: readonly Waiting[], { short, depths, limit }: Deepening): Promise<Waiting[]> {
  const groups = short.map(({ group }) => group);
  const reach = FACTOR * Math.max(...groups.map((group) => depthOf(depths, group)));
  const depth = Math.min(limit, reach, Math.max(...short.map(({ most }) => most)));
  for (const group of groups) depths.set(groupKey(group), depth);
  const old = new Set(groups.map(groupKey));
  return [...candidates.filter((candidate) => !old.has(groupKey(candidate))), ...(await headsOf(em, groups, depth))];
}
