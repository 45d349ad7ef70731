import { defineEntity, p } from '@mikro-orm/core';
import { SEVERITIES } from '../core/detection/frame.ts';
import { AlertRule } from './alert-rule.ts';
import { Camera } from './camera.ts';
import { times } from './columns.ts';

const AlertStateSchema = defineEntity({
  name: 'AlertState',
  tableName: 'alert_states',
  properties: {
    rule: () => p.manyToOne(AlertRule).fieldName('rule_id').primary().ref().deleteRule('cascade'),
    camera: () => p.manyToOne(Camera).fieldName('camera_id').primary().ref().deleteRule('cascade'),
    streak: p.integer().default(0),
    met_at: p.datetime(3).nullable(),
    pending: p.boolean().default(false),
    delivered_at: p.datetime(3).nullable(),
    severity: p.enum(SEVERITIES).nullable(),
    zones: p.array<string>().default([]),
    ...times,
  },
});

/** Where a rule stands at a camera: see `AlertState` in core. Its lock orders all who decide on the rule there. */
export class AlertState extends AlertStateSchema.class {}
AlertStateSchema.setClass(AlertState);
