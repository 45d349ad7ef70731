import { type Candidate, type Gate, GateName, type Running, type Snapshot } from './admission-state.ts';
import { afterStarts, runningOf } from './after-starts.ts';
import { type Deal, deal } from './deal.ts';
import { ownGates, roomGates, waitsForRoomOnly } from './gates.ts';
import { deservesRoom, mayStart, noteStart, type Reservation, reserve } from './reservation.ts';
import { ableWorkers, placeOf, type Room, roomOf, take, takeTokens } from './room.ts';

/** `queue` and `need` are what the choice rests on: who writes it looks whether the task still has them. */
export type Admission = { uuid: string; queue: string; need: string; worker: string };
/** A task that was looked at and cannot start, and why: it stands for all of its queue and need. */
export type Refusal = { uuid: string; queue: string; need: string; gates: Gate[] };

/**
 * `wants_running`: room is to be kept for a task, and the snapshot does not say what runs; decide again with it. `dry`: buckets of templates that had no token for a
 * task that was looked at. `blocked`: strict queues of which a task waits that was looked at: nothing behind it may start.
 */
export type Decisions = {
  admissions: Admission[];
  refusals: Refusal[];
  reservations: Reservation[];
  dry: ReadonlySet<string>;
  blocked: ReadonlySet<string>;
  wants_running: boolean;
};

/** Which engine and how much of it, as one key; equal keys are equally hard to place. */
export const needKey = (engine: string, cpu: number, memory_mb: number): string => `${engine}|${cpu}|${memory_mb}`;

/** A need that only one worker can meet. */
export const pinnedNeed = (need: string, worker: string | null): string => (worker === null ? need : `${need}${PIN}${worker}`);

const PIN = '|on ';

type Pass = Omit<Decisions, 'dry' | 'blocked'> & {
  dry: Set<string>;
  snapshot: Snapshot;
  room: Room;
  deal: Deal;
  refused: Map<string, Gate[]>;
  blocked_lines: Set<string>;
  kept: Map<string, Reservation>;
  running: Running[];
};

/** Tasks with an equal one stand in one line: where the first of them does not fit, none does. */
export const groupKey = ({ queue, need }: { queue: string; need: string }): string => `${queue}\n${need}`;

/**
 * Chooses which waiting tasks start now and on which worker. Pure: the same snapshot gives the same answer, so the reason that is shown to a
 * user can never differ from the decision made. A task that does not fit dismisses all others of its queue and need at once, never those of
 * other needs; one without a token dismisses nobody but those of its bucket. What the others of its queue may do, the queue's policy says:
 * `backfill`: pass; but once a head has waited `reserve_after_s`, room is kept for it, and others start only where that does not delay it;
 * `strict`: wait behind it; `best_effort`: pass, always. Nothing that could start after these decisions is left waiting.
 * @param limit most admissions in one pass
 */
export function decide(snapshot: Snapshot, limit: number): Decisions {
  const pass = wholePass(snapshot, limit);
  const { admissions, refusals, reservations, dry, blocked_lines: blocked, wants_running } = pass;
  const next = afterPass(pass);
  if (!next || admissions.length >= limit) return { admissions, refusals, reservations, dry, blocked, wants_running };
  const rest = decide(next, limit - admissions.length);
  return { ...rest, admissions: [...admissions, ...rest.admissions], dry: new Set([...dry, ...rest.dry]) };
}

/** Every gate that is closed for the task at its turn, after all that precede it; empty: it starts now. The same pass as `decide`. */
export function closedGates(candidate: Candidate, snapshot: Snapshot): { gates: Gate[]; reservation: Reservation | null } {
  const candidates = [...snapshot.candidates.filter((c) => c.uuid !== candidate.uuid), candidate];
  const whole = wholePass({ ...snapshot, candidates }, Number.POSITIVE_INFINITY);
  const next = afterPass(whole);
  const starts = whole.admissions.some(({ uuid }) => uuid === candidate.uuid);
  return next && !starts ? closedGates(candidate, next) : atItsTurn(candidate, beginPass({ ...snapshot, candidates }));
}

function wholePass(snapshot: Snapshot, limit: number): Pass {
  const pass = beginPass(snapshot);
  while (pass.admissions.length < limit) {
    const candidate = pass.deal.next();
    if (!candidate) break;
    consider(candidate, pass);
  }
  return pass;
}

/**
 * What to decide upon next. In a fair queue a start may make another user the next one, whose task precedes one for which room was kept before that: where
 * somebody was refused for the sake of kept room, it is decided anew.
 * @returns null when nothing more can start
 */
function afterPass({ snapshot, admissions, refusals, room }: Pick<Pass, 'snapshot' | 'admissions' | 'refusals' | 'room'>): Snapshot | null {
  const turned = admissions.some(({ queue }) => room.queues.get(queue)?.fairness === 'user');
  const kept = refusals.some(({ gates }) => gates.some(({ gate }) => gate === GateName.reservation));
  const { running } = snapshot;
  return turned && kept && running ? afterStarts({ ...snapshot, running }, admissions) : null;
}

function atItsTurn(candidate: Candidate, pass: Pass): { gates: Gate[]; reservation: Reservation | null } {
  for (let other = pass.deal.next(); other && other.uuid !== candidate.uuid; other = pass.deal.next()) consider(other, pass);
  const shared = pass.refused.get(groupKey(candidate)) ?? outcomeOf(candidate, pass).gates;
  const gates = [...ownGates(candidate, pass.room, pass.snapshot.now), ...shared];
  if (gates.length > 0 && !pass.refused.has(groupKey(candidate))) keepRoom(candidate, gates, pass);
  return { gates, reservation: pass.kept.get(placeOf(candidate, pass.room).pool.name) ?? null };
}

function beginPass(snapshot: Snapshot): Pass {
  const room = roomOf(snapshot);
  const closed = (candidate: Candidate): boolean => ownGates(candidate, room, snapshot.now).length > 0;
  return { snapshot, room, deal: deal(snapshot.candidates, room, { shares: snapshot.shares, closed }), ...NOTHING_YET(snapshot) };
}

const NOTHING_YET = (snapshot: Snapshot): Omit<Pass, 'snapshot' | 'room' | 'deal'> => ({
  refused: new Map(),
  blocked_lines: new Set(),
  kept: new Map(),
  running: [...(snapshot.running ?? [])],
  admissions: [],
  refusals: [],
  reservations: [],
  dry: new Set(),
  wants_running: false,
});

function consider(candidate: Candidate, pass: Pass): void {
  if (pass.refused.has(groupKey(candidate))) return;
  const own = ownGates(candidate, pass.room, pass.snapshot.now);
  if (own.length > 0) passOver(candidate, own, pass);
  else startOrRefuse(candidate, pass);
}

function startOrRefuse(candidate: Candidate, pass: Pass): void {
  const { gates, worker } = outcomeOf(candidate, pass);
  if (worker) {
    start(candidate, worker, pass);
    return;
  }
  pass.refused.set(groupKey(candidate), gates);
  pass.refusals.push({ uuid: candidate.uuid, queue: candidate.queue, need: candidate.need, gates });
  const heads = placeOf(candidate, pass.room).queue.policy === 'strict' && !pass.blocked_lines.has(candidate.queue);
  if (heads) pass.blocked_lines.add(candidate.queue);
  // What others wait behind keeps its token too: they could take each one that comes before there is room for it. A closed queue keeps nothing from other queues.
  const waits = waitsForRoomOnly(gates.filter(({ gate }) => gate !== GateName.reservation));
  if (keepRoom(candidate, gates, pass) || (heads && waits)) takeTokens(pass.room, candidate, pass.snapshot.now);
}

/** A task without a token, or without a place of its key, is no candidate: nothing waits behind it and no room is kept for it. */
function passOver(candidate: Candidate, own: readonly Gate[], pass: Pass): void {
  const { uuid, queue, need, bucket } = candidate;
  if (bucket !== null && pass.dry.has(bucket)) return;
  if (bucket !== null) pass.dry.add(bucket);
  pass.refusals.push({ uuid, queue, need, gates: [...own, ...outcomeOf(candidate, pass).gates] });
}

/** The worker on which the task starts, or the gates that keep it from starting. */
function outcomeOf(candidate: Candidate, { room, snapshot, blocked_lines, kept }: Pass): { gates: Gate[]; worker?: string } {
  const gates = roomGates(candidate, room, snapshot.now);
  if (blocked_lines.has(candidate.queue)) return { gates: [headOfLine(candidate.queue), ...gates] };
  if (gates.length > 0) return { gates };
  const reservation = kept.get(placeOf(candidate, room).pool.name);
  const free = ableWorkers(candidate, room);
  const worker = reservation ? free.find(({ id }) => mayStart(candidate, id, { reservation, room, now: snapshot.now })) : free[0];
  return worker ? { gates: [], worker: worker.id } : { gates: [keptRoom(candidate, reservation as Reservation)] };
}

function start(candidate: Candidate, worker: string, pass: Pass): void {
  const { room, admissions, kept, snapshot, running } = pass;
  const holding = runningOf(candidate, { worker, room, now: snapshot.now });
  const reservation = kept.get(holding.pool);
  if (reservation) noteStart(candidate, holding, { reservation, now: snapshot.now });
  take(room, holding);
  takeTokens(room, candidate, snapshot.now);
  pass.deal.charge(candidate);
  running.push(holding);
  admissions.push({ uuid: candidate.uuid, queue: candidate.queue, need: candidate.need, worker });
}

/** One reservation in a pool, for the first that deserves it. @returns whether this one got it */
function keepRoom(candidate: Candidate, gates: readonly Gate[], pass: Pass): boolean {
  const pool = placeOf(candidate, pass.room).pool.name;
  if (pass.kept.has(pool) || !deservesRoom(candidate, pass.room, { gates, now: pass.snapshot.now })) return false;
  if (!pass.snapshot.running) {
    pass.wants_running = true;
    return false;
  }
  const reservation = reserve(candidate, pass.room, pass.running);
  if (!reservation) return false;
  pass.kept.set(pool, reservation);
  pass.reservations.push(reservation);
  return true;
}

function headOfLine(queue: string): Gate {
  const detail = `queue "${queue}" is strict: a task before this one cannot start yet`;
  return { gate: 'head_of_line', subject: `queue ${queue}`, have: 'a blocked head', need: 'its start', detail };
}

function keptRoom(candidate: Candidate, { pool, at }: Reservation): Gate {
  const detail = `pool "${pool}" keeps its room for a task that waits longer; this one would delay it`;
  const need = `${candidate.amount.cpu_milli / 1000} cores, ${candidate.amount.memory_mb} MB`;
  return { gate: 'reservation', subject: `pool ${pool}`, have: `kept until ${new Date(at).toISOString()}`, need, detail };
}
