import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';

const TaskDependencySchema = defineEntity({
  name: 'TaskDependency',
  tableName: 'task_dependencies',
  properties: {
    task: () => p.manyToOne(Task).primary().fieldName('task_id').ref(),
    upstream: () => p.manyToOne(Task).primary().fieldName('upstream_id').ref().index('idx_task_dependencies_upstream'),
    condition: p.enum(['succeeded', 'done'] as const),
    state: p.enum(['open', 'met', 'broken'] as const).default('open'),
    ...times,
  },
  checks: [{ name: 'task_dependencies_order_check', expression: 'upstream_id < task_id' }],
});

/**
 * What a task waits for: its upstream has completed (`succeeded`) or is final in any way (`done`). Settled for good by the trigger
 * `settle_dependents` in the transaction that makes the upstream final. An upstream's uuid is always smaller, so there can be no cycle, and rows
 * locked in the order of their ids are locked upstream first.
 */
export class TaskDependency extends TaskDependencySchema.class {}
TaskDependencySchema.setClass(TaskDependency);
