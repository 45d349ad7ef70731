import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Task } from './task.ts';
import { User } from './user.ts';

const QuotaEntrySchema = defineEntity({
  name: 'QuotaEntry',
  tableName: 'quota_ledger',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    task: () => p.manyToOne(Task).fieldName('task_id').ref().deleteRule('cascade'),
    round: p.integer().default(1),
    kind: p.enum(['reserve', 'commit', 'refund'] as const),
    amount: p.integer(),
    ...times,
  },
  uniques: [{ name: 'quota_ledger_entry_key', properties: ['task', 'round', 'kind'] }],
  indexes: [
    { name: 'idx_quota_ledger_user', properties: ['user', 'id'] },
    {
      name: 'quota_ledger_one_end',
      expression: `create unique index quota_ledger_one_end on quota_ledger (task_id, round) where kind <> 'reserve'`,
    },
  ],
  checks: [{ name: 'quota_ledger_range_check', expression: 'round > 0 and amount > 0' }],
});

/**
 * One movement of a user's quota, written by a trigger of `tasks`: reserved when a task is accepted, committed or refunded once at its end. A task
 * that is queued again after a refund begins a new `round`. Append-only.
 */
export class QuotaEntry extends QuotaEntrySchema.class {}
QuotaEntrySchema.setClass(QuotaEntry);
