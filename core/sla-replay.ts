import { type AtRisk, type Condition, isCombination, type Member, type OnFailure, parseRunLimit, type TaskLeaf } from './sla.ts';
import { deadlinesBetween, localDeadline } from './sla-deadlines.ts';

type Span = { from: number; until: number | null };
type Attempt = { attempt: number; created_at: number; start_at: number | null; end_at: number | null; status: string };
export type RunTimes = { p50_s: number; p90_s: number; p95_s: number | null; samples: number };

/**
 * What happened to a task, from its history; instants in ms. `queued_at`: each time it came into its queue. `holds`: when it waited on hold. `verdicts`: what its
 * result says to assertions, by their text.
 */
export type Timeline = {
  task: string;
  eligible_at: number;
  nominal_at: number | null;
  status: string;
  completed_at: number | null;
  queued_at: readonly number[];
  holds: readonly Span[];
  attempts: readonly Attempt[];
  runs: RunTimes | null;
  verdicts: Readonly<Record<string, boolean>>;
};

/** A stage that would have been told of. */
export type Fire = { condition: string; stage: number; at: number; subject_type: string; subject_id: string; reason: string };

type Outcome = 'met' | 'failed' | 'cancelled';
/** One clock as it would have run. `stop` null: it runs. */
type Clock = { start: number; stop: number | null; outcome: Outcome | null; limit_ms: number; holds: readonly Span[] };

const YEAR_MS = 370 * 86_400_000;

const endOf = ({ status, completed_at }: Timeline): { stop: number | null; outcome: Outcome | null } => {
  if (completed_at === null) return { stop: null, outcome: null };
  return { stop: completed_at, outcome: status === 'completed' ? 'met' : (status as Outcome) };
};

/** The instant at which `ms` of time that counts have passed since `start`. */
function after(start: number, ms: number, holds: readonly Span[]): number {
  let at = start + ms;
  for (const { from, until } of holds.toSorted((a, b) => a.from - b.from)) {
    if (from < at && (until ?? Infinity) > start) at += (until ?? Infinity) - Math.max(from, start);
  }
  return at;
}

/** Each time that a task waited in its queue. */
function waits(timeline: Timeline, limit_s: number, holds: readonly Span[]): Clock[] {
  const { eligible_at, attempts, queued_at, status } = timeline;
  const clocks = attempts.map((attempt, n): Clock => {
    const before = attempts[n - 1]?.end_at ?? null;
    const queued = queued_at.filter((at) => at <= attempt.created_at && (before === null || at >= before)).at(-1);
    const start = before === null ? eligible_at : (queued ?? before);
    return { start, stop: attempt.created_at, outcome: 'met', limit_ms: limit_s * 1000, holds };
  });
  const last = attempts.at(-1);
  const waiting = last === undefined ? eligible_at : queued_at.filter((at) => last.end_at !== null && at >= last.end_at).at(-1);
  const goes_on = last === undefined || (last.end_at !== null && (status === 'queued' || status === 'pending'));
  if (waiting !== undefined && goes_on) clocks.push({ start: waiting, ...endOf(timeline), limit_ms: limit_s * 1000, holds });
  return clocks;
}

/** When a task waited in its queue, up to now where it still does. */
export const waitingSpans = (timeline: Timeline): Span[] => waits(timeline, 0, []).map(({ start, stop }) => ({ from: start, until: stop }));

const outcomeOf = (status: string): Outcome => (status === 'completed' ? 'met' : status === 'cancelled' ? 'cancelled' : 'failed');

function runLimitMs(leaf: Extract<TaskLeaf, { kind: 'run_time' }>, runs: RunTimes | null): number | null {
  if (leaf.limit === undefined) return (leaf.limit_s ?? 0) * 1000;
  const parsed = parseRunLimit(leaf.limit);
  if (!parsed || !runs || runs.samples < leaf.min_samples) return null;
  const base = { 50: runs.p50_s, 90: runs.p90_s, 95: runs.p95_s }[parsed.quantile];
  return base === null ? null : base * parsed.factor * 1000;
}

function deadlineOf(leaf: Extract<TaskLeaf, { kind: 'deadline' }>, { nominal_at, eligible_at }: Timeline): number | null {
  const local = localDeadline(leaf);
  if (!local) return Date.parse(leaf.at);
  const base = nominal_at ?? eligible_at;
  return deadlinesBetween(local, base, base + YEAR_MS)[0] ?? null;
}

/** The clocks of a timed leaf. */
function clocksOf(leaf: TaskLeaf, timeline: Timeline): Clock[] {
  const holds = 'pause_aware' in leaf && leaf.pause_aware ? timeline.holds : [];
  const whole = (limit_ms: number | null): Clock[] =>
    limit_ms === null ? [] : [{ start: timeline.eligible_at, ...endOf(timeline), limit_ms, holds }];
  switch (leaf.kind) {
    case 'queue_wait':
      return waits(timeline, leaf.limit_s, holds);
    case 'start_delay':
      return timeline.attempts.map(({ created_at, start_at, end_at, status }) => {
        const outcome = start_at !== null ? 'met' : end_at === null ? null : outcomeOf(status);
        return { start: created_at, stop: start_at ?? end_at, outcome, limit_ms: leaf.limit_s * 1000, holds };
      });
    case 'run_time':
      return runClocks(leaf, timeline);
    case 'total_time':
      return whole(leaf.limit_s * 1000);
    case 'deadline': {
      const at = deadlineOf(leaf, timeline);
      return whole(at === null ? null : at - timeline.eligible_at);
    }
    default:
      return [];
  }
}

function runClocks(leaf: Extract<TaskLeaf, { kind: 'run_time' }>, { attempts, runs }: Timeline): Clock[] {
  const limit_ms = runLimitMs(leaf, runs);
  if (limit_ms === null) return [];
  return attempts.flatMap(({ start_at, end_at, status }) =>
    start_at === null ? [] : [{ start: start_at, stop: end_at, outcome: end_at === null ? null : outcomeOf(status), limit_ms, holds: [] }],
  );
}

type Judged = { stages: readonly number[]; on_failure: OnFailure; now: number };
type Told = { stage: number; at: number; reason: string };

/** What one clock would have told, by the rules of the running system: a failure may let it go on, and a cancellation always ends it. */
function toldBy({ start, stop, outcome, limit_ms, holds }: Clock, { stages, on_failure, now }: Judged): Told[] {
  const ends = outcome === 'failed' && on_failure === 'keep' ? null : stop;
  const told = stages.flatMap((stage): Told[] => {
    const at = after(start, (limit_ms * stage) / 100, holds);
    const reason = outcome === 'failed' && stop !== null && stop <= at ? 'failed' : 'late';
    return at < (ends ?? now) ? [{ stage, at, reason }] : [];
  });
  const broken = told.some(({ stage }) => stage === 100);
  if (outcome === 'failed' && on_failure === 'breach' && !broken && stop !== null) told.push({ stage: 100, at: stop, reason: 'failed' });
  return told;
}

/** What an event leaf would have told. */
function toldByEvent(leaf: TaskLeaf, timeline: Timeline): Told[] {
  if (leaf.kind === 'attempts') {
    const surplus = timeline.attempts.filter(({ created_at }) => created_at >= timeline.eligible_at)[leaf.max];
    return surplus ? [{ stage: 100, at: surplus.created_at, reason: 'attempts' }] : [];
  }
  const judged = leaf.kind === 'assertion' && timeline.status === 'completed' && timeline.completed_at !== null;
  return judged && !timeline.verdicts[leaf.that] ? [{ stage: 100, at: timeline.completed_at as number, reason: 'assertion' }] : [];
}

const toldByLeaf = (leaf: TaskLeaf, timeline: Timeline, judged: Judged): Told[] => [
  ...clocksOf(leaf, timeline).flatMap((clock) => toldBy(clock, judged)),
  ...toldByEvent(leaf, timeline),
];

const failureOf = (kind: string, given: OnFailure | undefined): OnFailure => {
  if (given === 'keep' && kind !== 'deadline' && kind !== 'total_time') return 'void';
  return given ?? (kind === 'deadline' ? 'keep' : 'void');
};

/** When a combination broke; null: it did not. */
function brokenAt(
  member: Member,
  timeline: Timeline,
  judged: Omit<Judged, 'on_failure'> & { on_failure?: OnFailure | undefined },
): number | null {
  if (!isCombination(member)) {
    const { now, on_failure } = judged;
    const told = toldByLeaf(member as TaskLeaf, timeline, { stages: [100], on_failure: failureOf(member.kind, on_failure), now });
    return told.length === 0 ? null : Math.min(...told.map(({ at }) => at));
  }
  const instants = member.of.map((inner) => brokenAt(inner, timeline, judged));
  const known = instants.filter((at) => at !== null);
  if (member.kind === 'any') return known.length === 0 ? null : Math.min(...known);
  return known.length === instants.length ? Math.max(...known) : null;
}

/** The last moment at which a task could have begun to be in time, by its template's run times, if it passed while the task waited. */
function riskOf({ of, margin_s, min_samples }: AtRisk, conditions: readonly Condition[], timeline: Timeline): Told[] {
  const target = conditions.find(({ name }) => name === of) as TaskLeaf | undefined;
  const clock = target && clocksOf(target, timeline)[0];
  if (!clock || !timeline.runs || timeline.runs.samples < min_samples) return [];
  const at = after(clock.start, clock.limit_ms, clock.holds) - margin_s * 1000 - timeline.runs.p90_s * 1000;
  const begun = timeline.attempts.findLast(({ start_at }) => start_at !== null)?.start_at ?? timeline.completed_at;
  return at < (begun ?? Infinity) ? [{ stage: 100, at, reason: 'predicted' }] : [];
}

/** Everything that conditions on tasks would have told about one task up to `now`, in the order of time. */
export function replayTask(conditions: readonly Condition[], timeline: Timeline, now: number): Fire[] {
  const fires = conditions.flatMap((condition): Fire[] => {
    const of = (told: readonly Told[]): Fire[] =>
      told.map((one) => ({ ...one, condition: condition.name, subject_type: 'task', subject_id: timeline.task }));
    if (condition.kind === 'at_risk') return of(riskOf(condition, conditions, timeline).filter(({ at }) => at < now));
    const { stages = [100], on_failure } = condition as { stages?: readonly number[]; on_failure?: OnFailure };
    if (isCombination(condition)) {
      const at = brokenAt(condition, timeline, { stages: [100], on_failure, now });
      return of(at === null ? [] : [{ stage: 100, at, reason: 'combined' }]);
    }
    return of(toldByLeaf(condition as TaskLeaf, timeline, { stages, on_failure: failureOf(condition.kind, on_failure), now }));
  });
  return fires.sort((a, b) => a.at - b.at);
}
