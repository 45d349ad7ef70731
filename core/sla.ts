/** What a queue, pool, template or schedule can break. */
export const GROUP_KINDS = [
  'failure_rate',
  'absence',
  'freshness',
  'missed_occurrence',
  'queue_depth',
  'queue_oldest_age',
  'pool_utilisation',
] as const;

/** What becomes of a clock when its task fails before it is over: nothing to tell, go on (a retry may still be in time), or broken at once. */
export const ON_FAILURE = ['void', 'keep', 'breach'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
/** Days of local time that count; `except`: dates (`2026-12-25`) that do not. */
export type Calendar = { days: readonly (typeof WEEKDAYS)[number][]; except: readonly string[] };

/** `stages`: per cents of the limit, ascending, 100 among them. */
type Timed = { stages: readonly number[]; on_failure: OnFailure };
type Named = { name: string };

/** Conditions on a task. Durations in seconds. `limit`: `p95*1.5`, a factor of the template's own run times, as soon as there are `min_samples` of them. */
export type TaskLeaf =
  | { kind: 'queue_wait' | 'total_time'; limit_s: number; pause_aware: boolean }
  | { kind: 'start_delay'; limit_s: number }
  | { kind: 'run_time'; limit_s?: number | undefined; limit?: string | undefined; min_samples: number }
  | { kind: 'deadline'; at: string; timezone?: string | undefined; calendar?: Calendar | undefined }
  | { kind: 'attempts'; max: number }
  | { kind: 'assertion'; that: string };
export type AtRisk = { kind: 'at_risk'; of: string; margin_s: number; min_samples: number };

/** Conditions on a group, sampled: broken while the value is above the limit. */
export type GroupLeaf =
  | { kind: 'failure_rate'; window_s: number; min_runs: number; gt: number }
  | { kind: 'absence'; of: 'success' | 'start'; within_s: number }
  | { kind: 'freshness'; max_age_s: number }
  | { kind: 'missed_occurrence'; window_s: number; gt: number }
  | { kind: 'queue_depth' | 'pool_utilisation'; gt: number }
  | { kind: 'queue_oldest_age'; gt_s: number };

export type Leaf = TaskLeaf | GroupLeaf;
export type Combination = { kind: 'all' | 'any'; of: readonly Member[] };
export type Member = Leaf | Combination;

/** `for_s`: how long it must hold before it is a breach; `clear`: value at or below which it is over, once for `clear_for_s`. */
export type Sustained = { for_s: number; clear?: number | undefined; clear_for_s: number };

export type Condition = Named &
  (
    | (TaskLeaf & Partial<Timed>)
    | AtRisk
    | (GroupLeaf & Partial<Sustained>)
    | (Combination & Partial<Sustained> & { on_failure?: OnFailure | undefined })
  );

/** What an SLA can be attached to. */
export const SCOPES = ['pool', 'queue', 'template', 'schedule', 'task'] as const;
export type Scope = (typeof SCOPES)[number];

const GROUP_SCOPES: Record<GroupLeaf['kind'], readonly Scope[]> = {
  failure_rate: ['pool', 'queue', 'template', 'schedule'],
  absence: ['pool', 'queue', 'template', 'schedule'],
  freshness: ['pool', 'queue', 'template', 'schedule'],
  missed_occurrence: ['schedule'],
  queue_depth: ['queue', 'pool'],
  queue_oldest_age: ['queue', 'pool'],
  pool_utilisation: ['pool'],
};

const isGroupKind = (kind: string): kind is GroupLeaf['kind'] => (GROUP_KINDS as readonly string[]).includes(kind);

export const isCombination = (member: { kind: string }): member is Combination => member.kind === 'all' || member.kind === 'any';

/** The leaves of a condition, in order. */
export function leavesOf(member: Member | AtRisk): (Leaf | AtRisk)[] {
  return isCombination(member) ? member.of.flatMap(leavesOf) : [member];
}

/** Whether a condition speaks of single tasks or of a group; null: it mixes both, which is refused. */
export function subjectOf(member: Member | AtRisk): 'task' | 'group' | null {
  const kinds = new Set(leavesOf(member).map(({ kind }) => (isGroupKind(kind) ? ('group' as const) : ('task' as const))));
  return kinds.size === 1 ? ([...kinds][0] ?? null) : null;
}

/** Whether a condition can be evaluated for what the SLA is attached to. */
export function appliesTo(condition: Member | AtRisk, scope: Scope): boolean {
  if (subjectOf(condition) === 'task') return true;
  return leavesOf(condition).every(({ kind }) => isGroupKind(kind) && GROUP_SCOPES[kind].includes(scope));
}

const LIMIT = /^p(50|90|95)(?:\*(\d{1,3}(?:\.\d{1,3})?))?$/;

/** Reads `p95*1.5`; null: not of that form. */
export function parseRunLimit(text: string): { quantile: 50 | 90 | 95; factor: number } | null {
  const match = LIMIT.exec(text);
  if (!match) return null;
  const factor = match[2] === undefined ? 1 : Number(match[2]);
  return factor > 0 ? { quantile: Number(match[1]) as 50 | 90 | 95, factor } : null;
}
