import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';

const DeliveryLaneSchema = defineEntity({
  name: 'DeliveryLane',
  tableName: 'delivery_lanes',
  properties: {
    name: p.text().primary(),
    failures: p.integer().default(0),
    paused_until: p.datetime(3).nullable(),
    ...times,
  },
  checks: [{ name: 'delivery_lanes_failures_check', expression: 'failures >= 0' }],
});

/** How a target of deliveries is doing: failures of its own in a row, and until when nothing is sent to it. One that never failed has no row. */
export class DeliveryLane extends DeliveryLaneSchema.class {}
DeliveryLaneSchema.setClass(DeliveryLane);
