import { defineEntity, p } from '@mikro-orm/core';
import { SEVERITIES } from '../core/detection/frame.ts';
import { AlertRule } from './alert-rule.ts';
import { Camera } from './camera.ts';
import { times } from './columns.ts';
import { ViolationEvent } from './violation-event.ts';

export const DELIVERIES = ['pending', 'sent', 'failed', 'suppressed'] as const;

const AlertHistorySchema = defineEntity({
  name: 'AlertHistory',
  tableName: 'alert_history',
  properties: {
    id: p.uuid().primary().defaultRaw('uuidv7()'),
    rule: () => p.manyToOne(AlertRule).fieldName('rule_id').ref().nullable().deleteRule('set null'),
    rule_name: p.text(),
    camera: () => p.manyToOne(Camera).fieldName('camera_id').ref(),
    violation: () =>
      p.manyToOne(ViolationEvent).fieldName('violation_id').ref().nullable().deleteRule('set null').index('idx_alert_history_violation'),
    violation_ids: p.array<string>().columnType('uuid[]').default([]),
    violation_type: p.text(),
    severity: p.enum(SEVERITIES),
    violations: p.integer(),
    reason: p.text(),
    dedup_key: p.text().unique('alert_history_dedup_key'),
    delivery: p.enum(DELIVERIES),
    channels: p.json<unknown[]>().defaultRaw(`'[]'::jsonb`),
    delivered: p.array<string>().default([]),
    attempts: p.integer().default(0),
    next_attempt_at: p.datetime(3).nullable(),
    error: p.text().nullable(),
    fired_at: p.datetime(3).defaultRaw('now()'),
    sent_at: p.datetime(3).nullable(),
    resolved_at: p.datetime(3).nullable(),
    acked_by: p.text().nullable(),
    acked_at: p.datetime(3).nullable(),
    ack_note: p.text().nullable(),
    ...times,
  },
  indexes: [
    { name: 'idx_alert_history_rule', properties: ['rule', 'fired_at', 'id'] },
    { name: 'idx_alert_history_camera', properties: ['camera', 'fired_at', 'id'] },
    { name: 'idx_alert_history_time', properties: ['fired_at', 'id'] },
    {
      name: 'idx_alert_history_due',
      expression: `create index idx_alert_history_due on alert_history (next_attempt_at) where delivery = 'pending'`,
    },
  ],
  checks: [{ name: 'alert_history_due_check', expression: `(delivery = 'pending') = (next_attempt_at is not null)` }],
});

/**
 * An alert that fired, or would have: `delivery` suppressed, and `reason` why. `dedup_key`: rule, violation and cause, so that none is decided on twice. `channels`: as
 * they were in the rule then; `delivered`: those that have it. `violations`: how many there were within the window; `violation_ids`: up to 100 of them.
 */
export class AlertHistory extends AlertHistorySchema.class {}
AlertHistorySchema.setClass(AlertHistory);
