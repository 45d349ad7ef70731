import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const BulkActionSchema = defineEntity({
  name: 'BulkAction',
  tableName: 'bulk_actions',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    action: p.enum(['cancel', 'retry', 'hold', 'release', 'set_priority', 'move_queue'] as const),
    filter: p.json<Record<string, unknown>>(),
    args: p.json<Record<string, unknown>>(),
    status: p.enum(['running', 'completed', 'cancelled'] as const).default('running'),
    total: p.integer(),
    request_id: p.text().nullable(),
    completed_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_bulk_actions_running', expression: `create index idx_bulk_actions_running on bulk_actions (id) where status = 'running'` },
    { name: 'idx_bulk_actions_user', properties: ['user', 'id'] },
  ],
});

/** One action on all tasks that a filter found when it was asked for; what becomes of each task is in `bulk_action_items`. */
export class BulkAction extends BulkActionSchema.class {}
BulkActionSchema.setClass(BulkAction);
