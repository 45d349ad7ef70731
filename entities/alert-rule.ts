import { defineEntity, p } from '@mikro-orm/core';
import type { AlertSchedule } from '../core/detection/alert-schedule.ts';
import { SEVERITIES } from '../core/detection/frame.ts';
import type { AlertChannel } from '../schemas/alert.ts';
import { times } from './columns.ts';
import { User } from './user.ts';

const AlertRuleSchema = defineEntity({
  name: 'AlertRule',
  tableName: 'alert_rules',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    name: p.text().unique('alert_rules_name_key'),
    description: p.text().default(''),
    enabled: p.boolean().default(true),
    violation_types: p.array<string>().default([]),
    cameras: p.array<string>().default([]),
    min_severity: p.enum(SEVERITIES).default('low'),
    window_s: p.integer().default(60),
    threshold: p.integer().default(1),
    consecutive: p.integer().default(1),
    cooldown_s: p.integer().default(300),
    schedule: p.json<AlertSchedule>().nullable(),
    channels: p.json<AlertChannel[]>().defaultRaw(`'[]'::jsonb`),
    user: () => p.manyToOne(User).fieldName('user_id').ref().nullable().deleteRule('set null'),
    last_fired_at: p.datetime(3).nullable(),
    ...times,
  },
  checks: [{ name: 'alert_rules_range_check', expression: 'window_s >= 1 and threshold >= 1 and consecutive >= 1 and cooldown_s >= 0' }],
});

/**
 * When violations are worth telling somebody, and whom: see `AlertCondition`. `user`: who changed it last; its channels use that user's secrets.
 * `last_fired_at`: when an alert of it was last delivered.
 */
export class AlertRule extends AlertRuleSchema.class {}
AlertRuleSchema.setClass(AlertRule);
