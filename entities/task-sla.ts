import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';
import { SlaVersion } from './sla-version.ts';
import { Task } from './task.ts';

const TaskSlaSchema = defineEntity({
  name: 'TaskSla',
  tableName: 'task_slas',
  properties: {
    task: () => p.manyToOne(Task).fieldName('task_id').primary().ref().deleteRule('cascade'),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').primary().ref(),
    sla_version: () => p.manyToOne(SlaVersion).fieldName('sla_version_id').ref(),
    scope: p.text(),
    eligible_at: p.datetime(3),
    ...times,
  },
  indexes: [{ name: 'idx_task_slas_sla', properties: ['sla', 'task'] }],
});

/**
 * An SLA that applies to a task, in the version that was current when the task became eligible at `eligible_at`. `scope`: through what, such as `queue:batch`.
 * Written by triggers only.
 */
export class TaskSla extends TaskSlaSchema.class {}
TaskSlaSchema.setClass(TaskSla);
