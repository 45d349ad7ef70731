import { type AtRisk, type Condition, isCombination, type Leaf, type Member, parseRunLimit, subjectOf } from './sla.ts';

/** A tree of paths: `{"any": ["0.0", {"all": ["0.1.0", "0.1.1"]}]}`. */
export type Tree = string | { all: Tree[] } | { any: Tree[] };

/**
 * One row of `sla_conditions`: a condition as the database evaluates it. `path`: its place in the list of conditions; members of a combination have
 * the root's as `parent`. `limit_ms` null: event, or known only when the clock starts. `run_quantile`, `run_factor`: limit from the template's run times.
 * `of_path`: what `at_risk` looks ahead to. `tree`: only roots of combinations. `fingerprint`: equal for equal conditions.
 */
export type PlanRow = {
  path: string;
  parent: string | null;
  name: string;
  subject: 'task' | 'group';
  kind: string;
  limit_ms: number | null;
  run_quantile: number | null;
  run_factor: number | null;
  min_samples: number | null;
  stages: number[];
  pause_aware: boolean;
  on_failure: string;
  deadline_at: string | null;
  max_attempts: number | null;
  assertion: string | null;
  of_path: string | null;
  margin_ms: number | null;
  tree: Tree | null;
  spec: Record<string, unknown>;
  fingerprint: string;
};

const PLAIN = {
  limit_ms: null,
  run_quantile: null,
  run_factor: null,
  min_samples: null,
  pause_aware: false,
  deadline_at: null,
  max_attempts: null,
  assertion: null,
  of_path: null,
  margin_ms: null,
  tree: null,
};

/** Whether a deadline is one instant rather than a local time of day. */
export const isInstant = (at: string): boolean => at.includes('T');

/** What the kind of a leaf adds to a row. */
function limitsOf(leaf: Leaf | AtRisk): Partial<PlanRow> {
  switch (leaf.kind) {
    case 'queue_wait':
    case 'total_time':
      return { limit_ms: leaf.limit_s * 1000, pause_aware: leaf.pause_aware };
    case 'start_delay':
      return { limit_ms: leaf.limit_s * 1000 };
    case 'run_time':
      return runLimits(leaf);
    case 'deadline':
      return { deadline_at: isInstant(leaf.at) ? new Date(leaf.at).toISOString() : null };
    case 'at_risk':
      return { margin_ms: leaf.margin_s * 1000, min_samples: leaf.min_samples };
    case 'attempts':
      return { max_attempts: leaf.max };
    case 'assertion':
      return { assertion: leaf.that };
    default:
      return {};
  }
}

function runLimits({ limit_s, limit, min_samples }: { limit_s?: number | undefined; limit?: string | undefined; min_samples: number }) {
  const parsed = limit === undefined ? null : parseRunLimit(limit);
  if (!parsed) return { limit_ms: (limit_s ?? 0) * 1000 };
  return { run_quantile: parsed.quantile, run_factor: parsed.factor, min_samples };
}

/** Kinds whose clocks can go on after a failure. */
const KEEPABLE: ReadonlySet<string> = new Set(['deadline', 'total_time']);

/** What a failure does to a clock; `keep` said of a combination holds for the members that can. */
function onFailure(kind: string, given: string | undefined): string {
  if (given === 'keep' && !KEEPABLE.has(kind)) return 'void';
  return given ?? (kind === 'deadline' ? 'keep' : 'void');
}

const treeOf = (member: Member | AtRisk, path: string): Tree => {
  if (!isCombination(member)) return path;
  const branches = member.of.map((inner, n) => treeOf(inner, `${path}.${n}`));
  return member.kind === 'all' ? { all: branches } : { any: branches };
};

/** Leaves below a combination, with their paths. */
function membersOf(member: Member | AtRisk, path: string): { leaf: Leaf | AtRisk; path: string }[] {
  return isCombination(member) ? member.of.flatMap((inner, n) => membersOf(inner, `${path}.${n}`)) : [{ leaf: member, path }];
}

/** JSON with sorted keys: equal texts for equal values. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner as object).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

type Draft = {
  member: Member | AtRisk;
  path: string;
  parent: string | null;
  name: string;
  stages: readonly number[];
  on_failure: string | undefined;
};

function rowOf({ member, path, parent, name, stages, on_failure }: Draft): PlanRow {
  const spec = { ...member } as Record<string, unknown>;
  return {
    ...PLAIN,
    path,
    parent,
    name,
    subject: subjectOf(member) ?? 'task',
    kind: member.kind,
    stages: [...stages],
    on_failure: onFailure(member.kind, on_failure),
    ...(isCombination(member) ? { tree: treeOf(member, path) } : limitsOf(member)),
    spec,
    fingerprint: canonical(spec),
  };
}

/**
 * The rows of a version's conditions: one for each, and one for each member of a combination of task conditions. Members of group conditions are
 * sampled together and need none of their own.
 */
export function planOf(conditions: readonly Condition[]): PlanRow[] {
  const paths = new Map(conditions.map(({ name }, n) => [name, String(n)]));
  return conditions.flatMap((condition, n) => {
    const path = String(n);
    const { stages = [100], on_failure } = condition as { stages?: readonly number[]; on_failure?: string };
    const root = rowOf({ member: condition, path, parent: null, name: condition.name, stages, on_failure });
    if (condition.kind === 'at_risk') return [{ ...root, of_path: paths.get(condition.of) ?? null }];
    if (!isCombination(condition) || root.subject === 'group') return [root];
    const leaves = membersOf(condition, path).map(({ leaf, path: inner }) =>
      rowOf({ member: leaf, path: inner, parent: path, name: condition.name, stages: [100], on_failure }),
    );
    return [root, ...leaves];
  });
}
