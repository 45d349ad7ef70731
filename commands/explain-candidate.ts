import { closedGates } from '../core/admission.ts';
import type { Candidate, Gate, Running, Snapshot } from '../core/admission-state.ts';
import { clearingTimes, estimateStart, holdersOf } from '../core/estimate.ts';
import { overtakenUntil } from '../core/order.ts';
import { expectedLength } from '../core/run-time.ts';
import { type Em, query } from '../entities/sql.ts';
import { openQueues } from './admit.ts';
import { chooseTasks } from './choose-tasks.ts';
import { type CommandContext, seesAll } from './context.ts';
import { loadRoom, loadRunning, type RoomRows, tasksAhead } from './snapshot.ts';

type Holder = { runid: string; task_id: string };

/** A closed gate, what keeps it closed, and when it is expected to open. `other_holders`: those of other users, and those over the first 20. */
export type ExplainedGate = Gate & { holders: Holder[]; other_holders: number; clears_at: string | null };

/**
 * What a waiting task has before it. `position`: its place among the tasks of its queue, from 1. Times are ISO 8601: `estimated_*` null when
 * nothing that runs leads to its start or too many precede it; `overtaken_until`: tasks that become eligible later cannot precede it any more, null: always;
 * `latest_start`: room is kept for it, so it starts by then unless a more urgent task comes.
 */
export type Outlook = {
  position: number;
  gates: ExplainedGate[];
  estimated_start: string | null;
  estimated_finish: string | null;
  overtaken_until: string | null;
  latest_start: string | null;
};

const MOST_AHEAD = 200;
const MOST_HOLDERS = 20;

type Holdings = (Running & { task_id: string; user_id: number })[];

/** Looks at a task that waits, or would wait, through the function that admits. Changes and locks nothing. */
export async function explainCandidate(ctx: CommandContext, candidate: Candidate, lost_after_s: number): Promise<Outlook> {
  const room = await loadRoom(ctx.em, await queuesBeside(ctx.em, candidate.queue), { lock: false, lost_after_s });
  const pools = room.pools.map((pool) => pool.name);
  const running = await loadRunning(ctx.em, pools, room.now);
  const ahead = await tasksAhead(ctx.em, candidate, MOST_AHEAD);
  const candidates = await rivals(ctx.em, room, { candidate, ahead: ahead.first });
  const snapshot: Snapshot = { ...room, candidates, running };
  const { gates, reservation } = closedGates(candidate, snapshot);
  const start = gates.length === 0 ? room.now : ahead.count > MOST_AHEAD ? null : estimateStart(candidate.uuid, snapshot);
  return {
    position: ahead.count + 1,
    gates: explained(ctx, gates, { candidate, snapshot, running, kept_until: reservation?.at ?? null }),
    estimated_start: iso(start),
    estimated_finish: iso(start === null ? null : start + expectedLength(candidate) * 1000),
    overtaken_until: iso(overtakenUntil(candidate, room.queues)),
    latest_start: reservation?.uuid === candidate.uuid ? iso(reservation.by) : null,
  };
}

const iso = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString());

async function queuesBeside(em: Em, queue: string): Promise<string[]> {
  const rows = await query<{ name: string }>(em, 'select name from queues where pool = (select pool from queues where name = $1)', [queue]);
  return rows.map(({ name }) => name);
}

/** Everything that an admission would look at now, those that precede the task in its own queue, and the task itself. */
async function rivals(em: Em, room: RoomRows, { candidate, ahead }: { candidate: Candidate; ahead: Candidate[] }): Promise<Candidate[]> {
  const { snapshot } = await chooseTasks(em, room, { queues: openQueues(room), limit: MOST_AHEAD });
  const all = [...snapshot.candidates, ...ahead, candidate];
  return [...new Map(all.map((each) => [each.uuid, each])).values()];
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
