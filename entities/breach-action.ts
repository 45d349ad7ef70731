import { defineEntity, p } from '@mikro-orm/core';
import { Breach } from './breach.ts';
import { times } from './columns.ts';
import { Delivery } from './delivery.ts';

const BreachActionSchema = defineEntity({
  name: 'BreachAction',
  tableName: 'breach_actions',
  properties: {
    breach: () => p.manyToOne(Breach).fieldName('breach_id').primary().ref().deleteRule('cascade'),
    no: p.integer().primary(),
    kind: p.text(),
    args: p.json<Record<string, unknown>>(),
    state: p.enum(['waiting', 'done', 'skipped', 'suppressed', 'failed'] as const).default('waiting'),
    tries: p.integer().default(0),
    code: p.text().nullable(),
    detail: p.text().nullable(),
    result: p.json<Record<string, unknown>>().nullable(),
    target: p.text().nullable(),
    delivery: () => p.manyToOne(Delivery).fieldName('delivery_id').ref().nullable().deleteRule('set null').updateRule('no action'),
    started_at: p.datetime(3).nullable(),
    ended_at: p.datetime(3).nullable(),
    ...times,
  },
  indexes: [
    {
      name: 'idx_breach_actions_waiting',
      expression: `create index idx_breach_actions_waiting on breach_actions (breach_id) where state = 'waiting'`,
    },
    {
      name: 'idx_breach_actions_target',
      expression: `create index idx_breach_actions_target on breach_actions (target, ended_at) where target is not null and state = 'done'`,
    },
    {
      name: 'idx_breach_actions_delivery',
      expression: 'create index idx_breach_actions_delivery on breach_actions (delivery_id) where delivery_id is not null',
    },
  ],
  checks: [{ name: 'breach_actions_end_check', expression: `(state = 'waiting') = (ended_at is null)` }],
});

/**
 * What is done about one breach; written with it, so that all of it is known from the start. Its end is written in the transaction of its effect. `skipped`: there was
 * nothing to act upon; `suppressed`: another action came first, `code` says which kind of rule. `target`: what an action on something shared acts on.
 */
export class BreachAction extends BreachActionSchema.class {}
BreachActionSchema.setClass(BreachAction);
