import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';

const TaskHistorySchema = defineEntity({
  name: 'TaskHistory',
  tableName: 'task_history',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref(),
    runid: p.uuid().nullable(),
    subject: p.enum(['task', 'instance'] as const),
    from_status: p.text().nullable(),
    to_status: p.text(),
    reason: p.text().nullable(),
    actor: p.text(),
    ...times,
  },
  indexes: [{ name: 'idx_task_history_task', properties: ['task', 'id'] }],
});

/** Every change of state of a task and of its instances, in order; append-only. `actor`: `user:<name>`, `dispatcher`, `worker:<id>`, `reconciler`, `dependencies`. */
export class TaskHistory extends TaskHistorySchema.class {}
TaskHistorySchema.setClass(TaskHistory);
