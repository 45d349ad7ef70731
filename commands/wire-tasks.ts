import { uuidv7 } from 'uuidv7';
import { inDependencyOrder } from '../core/dependency-order.ts';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import type { After, Task, TaskSubmission } from '../schemas/task.ts';
import type { PreparedTask } from './prepare-tasks.ts';

/** One task that another waits for. `pointer` into the request; `fresh`: made by the same request. */
export type Upstream = { task: string; condition: After['condition']; state: 'open' | 'met'; fresh: boolean; pointer: string };
/** The id of a task that is to be made, and what it waits for. Its id is greater than those of its upstreams: a CHECK demands it. */
export type Wiring = { uuid: string; upstreams: Upstream[] };

type Batch = {
  items: readonly TaskSubmission[];
  prepared: readonly PreparedTask[];
  answered: ReadonlyMap<number, Task>;
  refs: ReadonlyMap<string, number>;
};

/**
 * Resolves what the items of a request wait for, and gives them ids upstream first. `answered`: items that an earlier request made, by index.
 * Without any `after` nothing is done.
 * @throws EngineError invalid_input: an unknown or repeated ref, the same task twice, a ring
 */
export function wireTasks(
  prepared: readonly PreparedTask[],
  items: readonly TaskSubmission[],
  answered: ReadonlyMap<number, Task>,
): readonly PreparedTask[] {
  const refs = refsOf(items);
  if (!prepared.some(({ item }) => item.after)) return prepared;
  const batch: Batch = { items, prepared, answered, refs };
  refuseProblems(prepared.flatMap((task) => problemsOf(task, batch)));
  const ids = identify(batch);
  return prepared.map((task) => ({ ...task, wiring: ids.get(task.index) as Wiring }));
}

function refsOf(items: readonly TaskSubmission[]): Map<string, number> {
  const refs = new Map<string, number>();
  for (const [index, { ref }] of items.entries()) {
    if (ref === undefined) continue;
    if (refs.has(ref)) refuseProblems([{ pointer: `/${index}/ref`, detail: `"${ref}" stands twice in this batch` }]);
    refs.set(ref, index);
  }
  return refs;
}

function refuseProblems(errors: FieldProblem[]): void {
  if (errors[0]) throw new EngineError('invalid_input', `${errors[0].pointer}: ${errors[0].detail}`, { errors });
}

function problemsOf({ item, index }: PreparedTask, { refs }: Batch): FieldProblem[] {
  const seen = new Set<string>();
  return (item.after ?? []).flatMap(({ task, ref }, n) => {
    const pointer = `/${index}/after/${n}`;
    const name = task ?? `ref ${ref}`;
    if (seen.has(name)) return [{ pointer, detail: 'names the same task twice' }];
    seen.add(name);
    return ref === undefined || refs.has(ref) ? [] : [{ pointer: `${pointer}/ref`, detail: `no item of this batch has the ref "${ref}"` }];
  });
}

/** Ids in an order in which upstreams come first. */
function identify({ prepared, answered, refs }: Batch): Map<number, Wiring> {
  const edges = new Map(
    prepared.map(({ item, index }) => [
      index,
      (item.after ?? []).flatMap(({ ref }) => (ref === undefined ? [] : [refs.get(ref) as number])),
    ]),
  );
  const { order, ring } = inDependencyOrder(edges);
  refuseProblems(ring.map((index) => ({ pointer: `/${index}/after`, detail: 'waits for itself, through other items of this batch' })));
  const byIndex = new Map(prepared.map((task) => [task.index, task]));
  const ids = new Map<number, Wiring>();
  for (const index of order) {
    const upstreams = (byIndex.get(index)?.item.after ?? []).map((after, n) => {
      const at = after.ref === undefined ? -1 : (refs.get(after.ref) as number);
      const task = after.task ?? answered.get(at)?.uuid ?? (ids.get(at) as Wiring).uuid;
      return { task, condition: after.condition, state: 'open' as const, fresh: ids.has(at), pointer: `/${index}/after/${n}` };
    });
    const distinct = [...new Map(upstreams.map((upstream) => [upstream.task, upstream])).values()];
    ids.set(index, { uuid: uuidAfter(distinct.map(({ task }) => task)), upstreams: distinct });
  }
  return ids;
}

/** A fresh id that is greater than all of these, even if the clock of the machine that made them is ahead of ours. */
function uuidAfter(others: readonly string[]): string {
  const uuid = uuidv7();
  const last = others.toSorted().at(-1);
  if (last === undefined || uuid > last) return uuid;
  const time = (Number.parseInt(last.replace('-', '').slice(0, 12), 16) + 1).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${uuid.slice(13)}`;
}
