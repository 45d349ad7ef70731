import { defineEntity, p } from '@mikro-orm/core';
import { BulkAction } from './bulk-action.ts';
import { times } from './columns.ts';
import { Task } from './task.ts';

const BulkActionItemSchema = defineEntity({
  name: 'BulkActionItem',
  tableName: 'bulk_action_items',
  properties: {
    bulk_action: () => p.manyToOne(BulkAction).primary().fieldName('bulk_action_id').ref(),
    task: () => p.manyToOne(Task).primary().fieldName('task_id').ref().index('idx_bulk_action_items_task'),
    status: p.enum(['waiting', 'done', 'failed', 'skipped'] as const).default('waiting'),
    code: p.text().nullable(),
    detail: p.text().nullable(),
    ...times,
  },
  indexes: [
    {
      name: 'idx_bulk_action_items_waiting',
      expression: `create index idx_bulk_action_items_waiting on bulk_action_items (bulk_action_id, task_id) where status = 'waiting'`,
    },
  ],
});

/** What a bulk action did to one task, written in the transaction that did it. `code` and `detail` say why it failed. */
export class BulkActionItem extends BulkActionItemSchema.class {}
BulkActionItemSchema.setClass(BulkActionItem);
