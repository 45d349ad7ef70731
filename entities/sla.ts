import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const SlaSchema = defineEntity({
  name: 'Sla',
  tableName: 'slas',
  properties: {
    id: p.integer().primary().autoincrement(),
    name: p.text(),
    conditions: p.json<Record<string, unknown>[]>().defaultRaw(`'{}'::jsonb`),
    actions: p.json<unknown[]>().defaultRaw(`'[]'::jsonb`),
    priority: p.integer().default(50),
    current_version: p.integer().default(1),
    enabled: p.boolean().default(true),
    user: () => p.manyToOne(User).fieldName('user_id').ref().nullable().deleteRule('no action'),
    description: p.text().default(''),
    cooldown_s: p.integer().default(0),
    enabled_at: p.datetime(3).defaultRaw('now()'),
    deleted_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [{ name: 'slas_name_key', expression: 'create unique index slas_name_key on slas (name) where deleted_at is null' }],
});

/**
 * A service level: conditions on time, failure or freshness, and the actions that a breach triggers. The current version's content is repeated here.
 * `user`: with whose rights it acts; null: with none. `cooldown_s`: for how long after a breach others of its kind tell nobody. A deleted SLA keeps its row, since breaches refer to it.
 */
export class Sla extends SlaSchema.class {}
SlaSchema.setClass(Sla);
