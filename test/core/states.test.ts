import { INSTANCE_TRANSITIONS, InstanceStatus, isFinalInstance, isFinalTask, TASK_TRANSITIONS, TaskStatus } from '../../core/states.ts';

const tasks = Object.values(TaskStatus);
const instances = Object.values(InstanceStatus);

/** What can be reached from a state in any number of moves. */
function reachable<S extends string>(table: Record<S, readonly S[]>, from: S): Set<S> {
  const seen = new Set<S>();
  const visit = (state: S): void => {
    for (const next of table[state]) {
      if (seen.has(next)) continue;
      seen.add(next);
      visit(next);
    }
  };
  visit(from);
  return seen;
}

describe('the states of a task', () => {
  it('have the documents’ names and `queued`', () => {
    expect(tasks).toEqual(['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled']);
  });

  it.each(tasks)('has moves for %s to known states only, never to itself', (status) => {
    expect(TASK_TRANSITIONS[status]).not.toContain(status);
    for (const next of TASK_TRANSITIONS[status]) expect(tasks).toContain(next);
  });

  it('never leave completed', () => {
    expect(TASK_TRANSITIONS.completed).toEqual([]);
  });

  it.each(['failed', 'cancelled'] as const)('leave %s only to wait again', (status) => {
    expect([...TASK_TRANSITIONS[status]].sort()).toEqual(['pending', 'queued']);
  });

  it('reach processing only from queued, so that nothing runs without an admission', () => {
    expect(tasks.filter((status) => TASK_TRANSITIONS[status].includes('processing'))).toEqual(['queued']);
  });

  it('reach completed only from processing', () => {
    expect(tasks.filter((status) => TASK_TRANSITIONS[status].includes('completed'))).toEqual(['processing']);
  });

  it.each(['pending', 'queued', 'processing'] as const)('can always be ended from %s', (status) => {
    expect([...reachable(TASK_TRANSITIONS, status)]).toEqual(expect.arrayContaining(['completed', 'failed', 'cancelled']));
  });

  it.each([
    ['pending', false],
    ['queued', false],
    ['processing', false],
    ['completed', true],
    ['failed', true],
    ['cancelled', true],
  ] as const)('%s is final: %s', (status, final) => {
    expect(isFinalTask(status)).toBe(final);
  });
});

describe('the states of an instance', () => {
  it('have the documents’ names', () => {
    expect(instances).toEqual(['starting', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'lost']);
  });

  it.each(['completed', 'failed', 'cancelled', 'timed_out', 'lost'] as const)('never leave %s', (status) => {
    expect(INSTANCE_TRANSITIONS[status]).toEqual([]);
    expect(isFinalInstance(status)).toBe(true);
  });

  it.each(['starting', 'running'] as const)('can end in every final state from %s', (status) => {
    expect(INSTANCE_TRANSITIONS[status]).toEqual(expect.arrayContaining(['completed', 'failed', 'cancelled', 'timed_out', 'lost']));
    expect(isFinalInstance(status)).toBe(false);
  });

  it('never go back to starting', () => {
    expect(instances.filter((status) => INSTANCE_TRANSITIONS[status].includes('starting'))).toEqual([]);
  });
});
