import { defineEntity, p } from '@mikro-orm/core';
import { times } from './columns.ts';
import { User } from './user.ts';

const NotificationSchema = defineEntity({
  name: 'Notification',
  tableName: 'notifications',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    key: p.text(),
    user: () => p.manyToOne(User).fieldName('user_id').ref(),
    severity: p.enum(['info', 'warning', 'critical'] as const).default('info'),
    source_type: p.text(),
    source_id: p.text(),
    title: p.text(),
    text: p.text().default(''),
    data: p.json<Record<string, unknown>>().defaultRaw(`'{}'::jsonb`),
    read_at: p.datetime(3).nullable(),
    seq: p.bigint('number').nullable(),
    ...times,
  },
  uniques: [{ name: 'notifications_key_user_key', properties: ['key', 'user'] }],
  indexes: [
    { name: 'idx_notifications_user', properties: ['user', 'id'] },
    { name: 'idx_notifications_created', properties: ['created_at', 'id'] },
    {
      name: 'notifications_seq_key',
      expression: 'create unique index notifications_seq_key on notifications (seq) where seq is not null',
    },
    {
      name: 'idx_notifications_unpublished',
      expression: 'create index idx_notifications_unpublished on notifications (id) where seq is null',
    },
  ],
});

/**
 * Something that one user is told within the product. `key`: the same event tells the same user once. `source_type`, `source_id`: what it is about
 * (`breach`, …). `seq`: its place in the stream, null until it was numbered, see `Feed`.
 */
export class Notification extends NotificationSchema.class {}
NotificationSchema.setClass(Notification);
