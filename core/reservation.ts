import type { Candidate, Gate, Holding, Running } from './admission-state.ts';
import { waitsForRoomOnly } from './gates.ts';
import { ableWorkers, copyRoom, fitsOn, giveBack, placeOf, type Room, take } from './room.ts';
import { endsOf, expectedLength } from './run-time.ts';

/**
 * Room that is kept for one task of a pool. It is expected to start `at` and starts `by` then at the latest, on `worker`: by then enough of what runs
 * has reached its time-out. `room_at` and `room_by`: what is left at these moments once the task has started.
 */
export type Reservation = {
  uuid: string;
  queue: string;
  pool: string;
  worker: string;
  at: number;
  by: number;
  room_at: Room;
  room_by: Room;
};

type Shadow = { time: number; worker: string; room: Room };
type Ending = { end: number; holding: Holding };

/** Whether room is to be kept for a task that cannot start: it waits for nothing but room, and has waited long enough. */
export function deservesRoom(candidate: Candidate, room: Room, { gates, now }: { gates: readonly Gate[]; now: number }): boolean {
  const { queue } = placeOf(candidate, room);
  if (queue.policy === 'best_effort' || !waitsForRoomOnly(gates)) return false;
  return now - candidate.eligible_at >= queue.reserve_after_s * 1000;
}

/**
 * Keeps room for a task: on the worker where the time-outs of what runs give it the earliest start. `by` never rises while others start only as
 * `mayStart` allows, so the longest running time-out bounds the wait from here.
 * @returns null when no end of running work makes room for it
 */
export function reserve(candidate: Candidate, room: Room, running: readonly Running[]): Reservation | null {
  const { pool } = placeOf(candidate, room);
  const mine = running.filter((r) => r.pool === pool.name);
  const last = shadow(candidate, room, { endings: endings(mine, 'hard_end'), worker: null });
  if (!last) return null;
  const { worker } = last;
  const first = shadow(candidate, room, { endings: endings(mine, 'expected_end'), worker }) ?? last;
  for (const { room: left } of [first, last]) take(left, { queue: candidate.queue, pool: pool.name, worker, amount: candidate.amount });
  const { uuid, queue } = candidate;
  return { uuid, queue, pool: pool.name, worker, at: first.time, by: last.time, room_at: first.room, room_by: last.room };
}

const endings = (running: readonly Running[], by: 'hard_end' | 'expected_end'): Ending[] =>
  running.map((holding) => ({ end: holding[by], holding })).sort((a, b) => a.end - b.end);

/** The first moment at which the task fits, when nothing starts and all ends as said. Everything that ends at that moment counts as ended. */
function shadow(candidate: Candidate, room: Room, options: { endings: Ending[]; worker: string | null }): Shadow | null {
  const left = copyRoom(room);
  for (const [n, { end, holding }] of options.endings.entries()) {
    giveBack(left, holding);
    if (options.endings[n + 1]?.end === end) continue;
    const worker = ableWorkers(candidate, left).find(({ id }) => id === (options.worker ?? id) && fitsOn(candidate, left, id));
    if (worker) return { time: end, worker: worker.id, room: left };
  }
  return null;
}

/**
 * Whether a task may start on a worker beside the reservation: it is over by then, or uses only what the reservation leaves; and it never takes the last
 * place of the queue in which the other waits.
 */
export function mayStart(candidate: Candidate, worker: string, { reservation, room, now }: Beside): boolean {
  const { queue } = placeOf(candidate, room);
  if (queue.name === reservation.queue && queue.current_load + 1 >= queue.capacity) return false;
  const { expected_end, hard_end } = endsIf(candidate, now);
  const { at, by, room_at, room_by } = reservation;
  return (expected_end <= at || fitsOn(candidate, room_at, worker)) && (hard_end <= by || fitsOn(candidate, room_by, worker));
}

type Beside = { reservation: Reservation; room: Room; now: number };

/** Takes a start that `mayStart` allowed out of what the reservation leaves. */
export function noteStart(candidate: Candidate, holding: Holding, { reservation, now }: { reservation: Reservation; now: number }): void {
  const { expected_end, hard_end } = endsIf(candidate, now);
  if (expected_end > reservation.at) take(reservation.room_at, holding);
  if (hard_end > reservation.by) take(reservation.room_by, holding);
}

/** When the task would end if it started now. */
export const endsIf = (candidate: Candidate, now: number): { expected_end: number; hard_end: number } => ({
  expected_end: now + expectedLength(candidate) * 1000,
  hard_end: endsOf({ start: now, ...candidate }, now).hard_end,
});
