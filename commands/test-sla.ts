import { z } from 'zod';
import { EngineError } from '../core/errors.ts';
import { type Condition, leavesOf, type Member, subjectOf } from '../core/sla.ts';
import { type Fire, replayTask, type Timeline } from '../core/sla-replay.ts';
import { canReplay, replayGroup } from '../core/sla-replay-groups.ts';
import type { Em } from '../entities/sql.ts';
import { normalised, type Sla } from '../schemas/sla.ts';
import type { SlaTest, SlaTestResult } from '../schemas/sla-report.ts';
import { loadTimelines, MOST_TASKS, type TimelineWish } from './load-timelines.ts';

type Trial = { sla: Sla; wish: SlaTest; user_id: number | null };
type Range = { from: number; until: number };
type Scope = { type: string; id: string };

const DAY_MS = 86_400_000;
const MOST_DAYS = 92;
const MOST_FIRES = 100;
const STEPS = 500;
const LEAST_STEP_MS = 5_000;

const bad = (pointer: string, detail: string): EngineError =>
  new EngineError('invalid_input', `${pointer.slice(1)}: ${detail}`, { errors: [{ pointer, detail }] });

/**
 * Where an SLA, or conditions that are not saved yet, would have told of a breach. Plays the past again by the rules of the running system; changes nothing.
 * @throws EngineError not_found: the task (also others'); invalid_input: no range, or a scope that the SLA is not attached to and does not name
 */
export async function testSla(em: Em, { sla, wish, user_id }: Trial): Promise<SlaTestResult> {
  const conditions = (wish.conditions ? normalised(wish.conditions) : sla.conditions) as unknown as Condition[];
  const range = rangeOf(wish);
  const common = { ...range, user_id, assertions: assertionsOf(conditions) };
  if (wish.task !== undefined) return await testTask(em, { conditions, wish: { ...common, task: wish.task, scope: null } });
  const found: Found = { fires: [], tasks: new Set(), truncated: false };
  for (const scope of scopesOf(sla, wish)) await testScope(em, { conditions, wish: { ...common, task: null, scope }, scope }, found);
  const untested = conditions.filter((condition) => subjectOf(condition) === 'group' && !canReplay(condition));
  return resultOf(found, untested);
}

function rangeOf({ from, until }: SlaTest): Range {
  const end = until === undefined ? Date.now() : Date.parse(until);
  const range = { from: from === undefined ? end - DAY_MS : Date.parse(from), until: end };
  if (range.from >= range.until) throw bad('/from', 'must be before until');
  if (range.until - range.from > MOST_DAYS * DAY_MS) throw bad('/from', `must not be more than ${MOST_DAYS} days before until`);
  return range;
}

function scopesOf({ bound_to }: Sla, { scope }: SlaTest): Scope[] {
  const names = scope === undefined ? bound_to : [scope];
  if (names.length === 0) throw bad('/scope', 'must be given: the SLA is attached to nothing');
  if (scope?.startsWith('schedule:') && !z.uuid().safeParse(scope.slice(9)).success) throw bad('/scope', 'must name a schedule by its id');
  return names.map((name) => ({ type: name.slice(0, name.indexOf(':')), id: name.slice(name.indexOf(':') + 1) }));
}

const assertionsOf = (conditions: readonly Condition[]): string[] =>
  conditions.flatMap((condition) => leavesOf(condition as Member).flatMap((leaf) => (leaf.kind === 'assertion' ? [leaf.that] : [])));

type Found = { fires: Fire[]; tasks: Set<string>; truncated: boolean };
type Work = { conditions: Condition[]; wish: TimelineWish };

async function testTask(em: Em, { conditions, wish }: Work): Promise<SlaTestResult> {
  const [timeline] = await loadTimelines(em, wish);
  if (!timeline) throw new EngineError('not_found', `task ${wish.task}: there is none`);
  const onTasks = conditions.filter((condition) => subjectOf(condition) === 'task');
  const fires = replayTask(onTasks, timeline, Date.now());
  const groups = conditions.filter((condition) => subjectOf(condition) === 'group');
  return resultOf({ fires, tasks: new Set([timeline.task]), truncated: false }, groups);
}

/** Adds what one scope would have told; a task that is in several is looked at once. */
async function testScope(em: Em, { conditions, wish, scope }: Work & { scope: Scope }, found: Found): Promise<void> {
  const loaded = await loadTimelines(em, wish);
  const timelines = loaded.slice(0, MOST_TASKS);
  found.truncated ||= loaded.length > MOST_TASKS;
  const onTasks = conditions.filter((condition) => subjectOf(condition) === 'task');
  for (const timeline of timelines.filter(({ task }) => !found.tasks.has(task))) {
    found.tasks.add(timeline.task);
    found.fires.push(...replayTask(onTasks, timeline, wish.until).filter(({ at }) => at >= wish.from));
  }
  found.fires.push(...groupFires(conditions, { scope, timelines, range: wish }));
}

function groupFires(conditions: readonly Condition[], past: { scope: Scope; timelines: Timeline[]; range: Range }): Fire[] {
  const { scope, timelines, range } = past;
  const step_ms = Math.max(LEAST_STEP_MS, (range.until - range.from) / STEPS);
  const group = { subject_type: scope.type, subject_id: scope.id, timelines, from: range.from, until: range.until, step_ms };
  const testable = conditions.filter((condition) => subjectOf(condition) === 'group' && canReplay(condition));
  return testable.flatMap((condition) => replayGroup(condition, group));
}

function resultOf({ fires, tasks, truncated }: Found, untested: readonly Condition[]): SlaTestResult {
  const sorted = fires.toSorted((a, b) => a.at - b.at);
  const by_condition: Record<string, number> = {};
  for (const { condition } of sorted) by_condition[condition] = (by_condition[condition] ?? 0) + 1;
  return {
    total: sorted.length,
    by_condition,
    fires: sorted.slice(0, MOST_FIRES).map(({ at, ...fire }) => ({ ...fire, at: new Date(at).toISOString() })),
    tasks: tasks.size,
    truncated,
    untested: untested.map(({ name }) => name),
  };
}
