import { z } from 'zod';

export const Severity = z.enum(['info', 'warning', 'critical']);

/** Something that a user is told. `seq`: its place in the stream; null: it will appear there within a second. */
export const Notification = z
  .object({
    id: z.int(),
    user: z.string(),
    severity: Severity,
    source_type: z.string(),
    source_id: z.string(),
    title: z.string(),
    text: z.string(),
    data: z.record(z.string(), z.unknown()),
    read_at: z.iso.datetime().nullable(),
    seq: z.int().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Notification' });
export type Notification = z.output<typeof Notification>;

export const DELIVERY_STATES = ['waiting', 'delivered', 'dead'] as const;
export const CHANNELS = ['webhook', 'email'] as const;

/**
 * A message on its way out. `key`: what the receiver knows it by (`webhook-id`, message id). `target`: address without its query, or recipients. `code`, `detail`: what
 * the last attempt met. `dead`: given up after a day, or because the receiver wants no more.
 */
export const Delivery = z
  .object({
    id: z.uuid(),
    key: z.string(),
    channel: z.enum(CHANNELS),
    user: z.string(),
    source_type: z.string(),
    source_id: z.string(),
    target: z.string(),
    type: z.string(),
    title: z.string(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    next_at: z.iso.datetime().nullable(),
    give_up_at: z.iso.datetime(),
    code: z.string().nullable(),
    detail: z.string().nullable(),
    ended_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.output<typeof Delivery>;
