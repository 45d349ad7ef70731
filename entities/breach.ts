import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { Sla } from './sla.ts';
import { SlaVersion } from './sla-version.ts';
import { Task } from './task.ts';

const BreachSchema = defineEntity({
  name: 'Breach',
  tableName: 'breaches',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    sla: () => p.manyToOne(Sla).fieldName('sla_id').ref(),
    sla_version: () => p.manyToOne(SlaVersion).fieldName('sla_version_id').ref(),
    path: p.text(),
    condition: p.text(),
    kind: p.text(),
    stage: p.integer(),
    epoch: p.integer(),
    subject_type: p.enum(['task', 'pool', 'queue', 'template', 'schedule'] as const),
    subject_id: p.text(),
    scope: p.text(),
    task: () =>
      p.manyToOne(Task).fieldName('task_id').ref().nullable().deleteRule('set null').updateRule('no action').index('idx_breaches_task'),
    due_at: p.datetime(3),
    fired_at: p.datetime(3).defaultRaw('now()'),
    detail: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    state: p.enum(['open', 'acknowledged', 'snoozed', 'resolved'] as const).default('open'),
    acknowledged_at: p.datetime(3).nullable(),
    acknowledged_by: p.text().nullable(),
    snoozed_until: p.datetime(3).nullable(),
    resolved_at: p.datetime(3).nullable(),
    resolved_by: p.text().nullable(),
    note: p.text().nullable(),
    cooled: p.boolean().nullable(),
    lease_at: p.datetime(3).nullable(),
    workflow_at: p.datetime(3).nullable(),
    marked_runid: p.uuid().nullable(),
    seq: p.bigint('number').nullable(),
    ...times,
  },
  uniques: [{ name: 'breaches_once_key', properties: ['sla_version', 'subject_type', 'subject_id', 'path', 'stage', 'epoch'] }],
  indexes: [
    { name: 'idx_breaches_sla', properties: ['sla', 'id'] },
    { name: 'idx_breaches_created', properties: ['created_at', 'id'] },
    { name: 'idx_breaches_scope', properties: ['sla', 'scope', 'fired_at'] },
    { name: 'idx_breaches_open', expression: `create index idx_breaches_open on breaches (sla_id) where state <> 'resolved'` },
    { name: 'idx_breaches_unstarted', expression: 'create index idx_breaches_unstarted on breaches (id) where workflow_at is null' },
    { name: 'idx_breaches_unpublished', expression: 'create index idx_breaches_unpublished on breaches (id) where seq is null' },
    { name: 'idx_breaches_snoozed', expression: `create index idx_breaches_snoozed on breaches (snoozed_until) where state = 'snoozed'` },
    { name: 'breaches_seq_key', expression: 'create unique index breaches_seq_key on breaches (seq) where seq is not null' },
  ],
  checks: [
    {
      name: 'breaches_life_check',
      expression: `(state = 'resolved') = (resolved_at is not null) and (state = 'snoozed') = (snoozed_until is not null)`,
    },
  ],
});

/**
 * One condition broken once by one subject at one stage: the unique key says so, whoever looks. `due_at`: the instant that was missed; `fired_at`: when it was told.
 * `cooled`: others of its kind acted shortly before, so it tells nobody; null: not decided. `workflow_at`: when its workflow was started, null makes the row its own
 * outbox; `lease_at`: when somebody last tried. `marked_runid`: the instance whose workflow shows it. `seq`: its place in the stream, null when it is to be shown (again).
 */
export class Breach extends BreachSchema.class {}
BreachSchema.setClass(Breach);
