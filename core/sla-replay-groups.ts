import type { Condition, GroupLeaf, Member } from './sla.ts';
import { type Fire, type Timeline, waitingSpans } from './sla-replay.ts';
import { combined, crossedAt, type LeafSample, pathsOf, ruleOf } from './sla-sample.ts';
import { nextWatch, type Watched } from './sla-watch.ts';

/** What history tells of too little to be played again. */
const UNKNOWN: ReadonlySet<string> = new Set<GroupLeaf['kind']>(['missed_occurrence', 'pool_utilisation']);

/** Whether a condition on groups can be tried on the past. */
export const canReplay = (condition: Condition): boolean => pathsOf(condition as Member, '').every(({ leaf }) => !UNKNOWN.has(leaf.kind));

/** A group with the tasks that belong to it, and the range, ms; sampled each `step_ms`. */
export type GroupPast = {
  subject_type: string;
  subject_id: string;
  timelines: readonly Timeline[];
  from: number;
  until: number;
  step_ms: number;
};

type Facts = { ended: { at: number; failed: boolean; fresh: number }[]; starts: number[]; waits: { from: number; until: number }[] };

function factsOf(timelines: readonly Timeline[]): Facts {
  return {
    ended: timelines.flatMap(({ status, completed_at, nominal_at, eligible_at }) =>
      completed_at === null || status === 'cancelled'
        ? []
        : [{ at: completed_at, failed: status === 'failed', fresh: nominal_at ?? eligible_at }],
    ),
    starts: timelines.flatMap(({ attempts }) => attempts.flatMap(({ start_at }) => start_at ?? [])),
    waits: timelines.flatMap((timeline) => waitingSpans(timeline).map(({ from, until }) => ({ from, until: until ?? Infinity }))),
  };
}

const greatest = (instants: readonly number[], fallback: number): number => instants.reduce((most, at) => Math.max(most, at), fallback);

/** The value of a leaf as a sample at `at` would have found it; ages count from the beginning of the range at the earliest. */
function valueAt(leaf: GroupLeaf, { ended, starts, waits }: Facts, { at, from }: { at: number; from: number }): number | null {
  const done = ended.filter((end) => end.at <= at && !end.failed);
  const waiting = waits.filter((wait) => wait.from <= at && wait.until > at);
  switch (leaf.kind) {
    case 'failure_rate': {
      const recent = ended.filter((end) => end.at <= at && end.at > at - leaf.window_s * 1000);
      return recent.length < leaf.min_runs ? null : recent.filter(({ failed }) => failed).length / recent.length;
    }
    case 'absence': {
      const events = leaf.of === 'start' ? starts.filter((start) => start <= at) : done.map((end) => end.at);
      return (at - greatest(events, from)) / 1000;
    }
    case 'freshness':
      return (
        Math.max(
          0,
          at -
            greatest(
              done.map(({ fresh }) => fresh),
              from,
            ),
        ) / 1000
      );
    case 'queue_depth':
      return waiting.length;
    case 'queue_oldest_age':
      return waiting.length === 0 ? null : (at - Math.min(...waiting.map((wait) => wait.from))) / 1000;
    default:
      return null;
  }
}

/** What one condition on a group would have told, by the same rules as the running watch. */
export function replayGroup(condition: Condition, { subject_type, subject_id, timelines, from, until, step_ms }: GroupPast): Fire[] {
  const facts = factsOf(timelines);
  const leaves = pathsOf(condition as Member, '');
  const rule = ruleOf(condition);
  const fires: Fire[] = [];
  let watched: Watched = { state: 'ok', since: null };
  for (let at = from; at <= until; at += step_ms) {
    const values = new Map(
      leaves.map(({ leaf, path }): [string, LeafSample] => [path, { leaf, value: valueAt(leaf, facts, { at, from }) }]),
    );
    const single = values.get('');
    const sample = single
      ? { value: single.value, at, crossed_at: crossedAt(single, at) }
      : { value: combined(condition as Member, values, '') ? 1 : 0, at, crossed_at: null };
    const { event, ...next } = nextWatch(rule, watched, sample);
    if (event?.kind === 'breach')
      fires.push({ condition: condition.name, stage: 100, at: event.at, subject_type, subject_id, reason: 'group' });
    watched = next;
  }
  return fires;
}
