import { closedGates } from '../core/admission.ts';
import type { Candidate, Gate, Running, Snapshot } from '../core/admission-state.ts';
import { clearingTimes, estimateStart, holdersOf } from '../core/estimate.ts';
import { overtakenUntil } from '../core/order.ts';
import { expectedLength } from '../core/run-time.ts';
import { type Em, query } from '../entities/sql.ts';
import { openQueues } from './admit.ts';
import { chooseTasks } from './choose-tasks.ts';
import { type CommandContext, seesAll } from './context.ts';
import { bucketReader } from './rate-buckets.ts';
import { headsOf, loadRoom, loadRunning, type RoomRows, tasksAhead, type Waiting } from './snapshot.ts';

type Holder = { runid: string; task_id: string };

/** A closed gate, what keeps it closed, and when it is expected to open. `other_holders`: those of other users, and those over the first 20. */
export type ExplainedGate = Gate & { holders: Holder[]; other_holders: number; clears_at: string | null };

/**
 * What a waiting task has before it. `position`: its place among the tasks of its queue, from 1. Times are ISO 8601: `estimated_*` null when
 * nothing that runs leads to its start or too many precede it; `overtaken_until`: tasks that become eligible later cannot precede it any more, null: always;
 * `latest_start`: room is kept for it, so it starts by then unless a more urgent task comes. In a fair queue `position` counts the tasks of its user.
 */
export type Outlook = {
  position: number;
  gates: ExplainedGate[];
  estimated_start: string | null;
  estimated_finish: string | null;
  overtaken_until: string | null;
  latest_start: string | null;
  fair_share: FairShare | null;
};

/** Of a fair queue: what the user has used of the pool of late, in seconds of all of it, and how many of the waiting users have used less. */
type FairShare = { usage_s: number; users_before: number; users_waiting: number };

const MOST_AHEAD = 200;
const MOST_HOLDERS = 20;
const MOST_OTHERS = 1_000;

type Holdings = (Running & { task_id: string; user_id: number })[];

/** Looks at a task that waits, or would wait, through the function that admits. Changes and locks nothing. */
export async function explainCandidate(ctx: CommandContext, candidate: Waiting, lost_after_s: number): Promise<Outlook> {
  const room = await loadRoom(ctx.em, await queuesBeside(ctx.em, candidate.queue), { lock: false, lost_after_s });
  const pools = room.pools.map((pool) => pool.name);
  const running = await loadRunning(ctx.em, pools, room.now);
  const fair = room.queues.some(({ name, fairness }) => name === candidate.queue && fairness === 'user');
  const ahead = await tasksAhead(ctx.em, { ...candidate, fair }, MOST_AHEAD);
  const snapshot: Snapshot = { ...(await rivals(ctx.em, room, { candidate, ahead: ahead.first, fair })), running };
  const { gates, reservation } = closedGates(candidate, snapshot);
  const start = gates.length === 0 ? room.now : ahead.count > MOST_AHEAD ? null : estimateStart(candidate.uuid, snapshot);
  return {
    position: ahead.count + 1,
    gates: explained(ctx, gates, { candidate, snapshot, running, kept_until: reservation?.at ?? null }),
    estimated_start: iso(start),
    estimated_finish: iso(start === null ? null : start + expectedLength(candidate) * 1000),
    overtaken_until: iso(overtakenUntil(candidate, room.queues)),
    latest_start: reservation?.uuid === candidate.uuid ? iso(reservation.by) : null,
    fair_share: fair ? fairShareOf(candidate, snapshot) : null,
  };
}

const iso = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString());

async function queuesBeside(em: Em, queue: string): Promise<string[]> {
  const rows = await query<{ name: string }>(em, 'select name from queues where pool = (select pool from queues where name = $1)', [queue]);
  return rows.map(({ name }) => name);
}

type Line = { candidate: Waiting; ahead: Waiting[]; fair: boolean };

/** Everything that an admission would look at now, those that precede the task in its own queue, and the task itself, with their buckets. */
async function rivals(em: Em, room: RoomRows, { candidate, ahead, fair }: Line): Promise<Snapshot> {
  const { snapshot } = await chooseTasks(em, room, { queues: openQueues(room), limit: MOST_AHEAD, lock: false });
  const others = fair ? await otherUsers(em, snapshot.candidates, { candidate, depth: ahead.length + 1 }) : [];
  const all = [...snapshot.candidates, ...others, ...ahead, candidate];
  const candidates = [...new Map(all.map((each) => [each.uuid, each])).values()];
  const buckets = await bucketReader(em, { lock: false, now: room.now }).bucketsOf(candidates);
  return { ...snapshot, candidates, buckets: [...room.buckets, ...buckets] };
}

/** Of each other user who waits in the fair queue of a task as many tasks as precede it among those of its own user: about so many go first. */
async function otherUsers(
  em: Em,
  heads: readonly Waiting[],
  { candidate, depth }: { candidate: Waiting; depth: number },
): Promise<Waiting[]> {
  const groups = heads.filter(({ queue, user }) => queue === candidate.queue && user !== candidate.user);
  return groups.length === 0 ? [] : await headsOf(em, groups, Math.min(depth, Math.ceil(MOST_OTHERS / groups.length)));
}

function fairShareOf({ queue, user }: Candidate, { candidates, shares }: Snapshot): FairShare {
  const usage = new Map(shares.filter((share) => share.queue === queue).map((share) => [share.user, share.usage]));
  const users = [...new Set(candidates.filter((other) => other.queue === queue).map((other) => other.user))];
  const own = usage.get(user) ?? 0;
  const before = users.filter((other) => (usage.get(other) ?? 0) < own);
  return { usage_s: Math.round(own * 1000) / 1000, users_before: before.length, users_waiting: users.length };
}

type Sight = { candidate: Candidate; snapshot: Snapshot; running: Holdings; kept_until: number | null };

function explained(ctx: CommandContext, gates: readonly Gate[], { candidate, snapshot, running, kept_until }: Sight): ExplainedGate[] {
  const times = clearingTimes(candidate, gates, snapshot);
  const known = new Map(running.map((each) => [each.runid, each]));
  return gates.map((gate) => {
    const all = holdersOf(gate, candidate, snapshot).map(({ runid }) => known.get(runid) as Holdings[number]);
    const mine = all.filter(({ user_id }) => seesAll(ctx.actor) || user_id === ctx.actor.id).slice(0, MOST_HOLDERS);
    const holders = mine.map(({ runid, task_id }) => ({ runid, task_id }));
    const clears_at = gate.gate === 'reservation' ? kept_until : (times.get(gate.gate) ?? null);
    return { ...gate, holders, other_holders: all.length - mine.length, clears_at: iso(clears_at) };
  });
}
