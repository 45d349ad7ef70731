import type { Candidate, Running, Snapshot } from './admission-state.ts';
import { type Share, startCost } from './fair-share.ts';
import { endsIf } from './reservation.ts';
import { listsOf, placeOf, type Room, roomOf, take, takeTokens } from './room.ts';

/** A snapshot that says what runs. */
export type Known = Snapshot & { running: Running[] };

/** The snapshot as it is once these tasks have started, at the same moment. */
export function afterStarts(state: Known, admissions: readonly { uuid: string; worker: string }[]): Known {
  const room = roomOf(state);
  const workers = new Map(admissions.map(({ uuid, worker }) => [uuid, worker]));
  const started = state.candidates.filter(({ uuid }) => workers.has(uuid));
  const shares = chargedFor(started, state.shares, room);
  const begun = started.map((candidate) => runningOf(candidate, { worker: workers.get(candidate.uuid) ?? '', room, now: state.now }));
  for (const holding of begun) take(room, holding);
  for (const candidate of started) takeTokens(room, candidate, state.now);
  const candidates = state.candidates.filter(({ uuid }) => !workers.has(uuid));
  return { ...state, ...listsOf(room), candidates, shares, running: [...state.running, ...begun] };
}

/** What a task holds once it runs, and when it ends if it starts `now`. */
export function runningOf(candidate: Candidate, { worker, room, now }: { worker: string; room: Room; now: number }): Running {
  const { uuid, queue, amount, key } = candidate;
  const pool = placeOf(candidate, room).pool.name;
  return { queue, pool, worker, amount, runid: uuid, key: key?.name ?? null, ...endsIf(candidate, now) };
}

function chargedFor(started: readonly Candidate[], shares: readonly Share[], room: Room): Share[] {
  const charged = new Map(shares.map((share) => [shareKey(share), share]));
  for (const candidate of started) {
    const { queue, pool } = placeOf(candidate, room);
    if (queue.fairness !== 'user') continue;
    const old = charged.get(shareKey(candidate)) ?? { queue: queue.name, user: candidate.user, usage: 0 };
    charged.set(shareKey(candidate), { ...old, usage: old.usage + startCost(candidate.amount, pool.total) });
  }
  return [...charged.values()];
}

const shareKey = ({ queue, user }: Pick<Share, 'queue' | 'user'>): string => `${user} ${queue}`;
