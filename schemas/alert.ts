import { z } from 'zod';
import { Severity, Word } from './detection.ts';
import { Instant, Name, text } from './limits.ts';

const Url = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .refine((url) => !URL.parse(url)?.username && !URL.parse(url)?.password, 'must not hold credentials: receivers check the signature');

/** How an alert reaches somebody. */
export const AlertChannel = z
  .discriminatedUnion('kind', [
    z
      .strictObject({ kind: z.literal('notify') })
      .meta({ description: 'a notification for the owner of the camera and whoever changed the rule last' }),
    z
      .strictObject({
        kind: z.literal('webhook'),
        url: Url,
        secrets: z
          .array(Name)
          .max(2)
          .default([])
          .describe('names of secrets that sign it (Standard Webhooks); two while the receiver changes over'),
      })
      .meta({ description: 'POST through the outbound guard; the same webhook-id at each attempt' }),
    z
      .strictObject({ kind: z.literal('email'), to: z.array(z.email().max(200)).min(1).max(10) })
      .meta({ description: 'mail, where SMTP_URL is configured' }),
  ])
  .meta({ id: 'AlertChannel' });
export type AlertChannel = z.output<typeof AlertChannel>;

const Clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time of day as HH:MM');

const Schedule = z
  .strictObject({
    timezone: text(100).min(1),
    days: z.array(z.int().min(1).max(7)).min(1).max(7).describe('1 Monday – 7 Sunday'),
    from: Clock,
    to: Clock.describe('not after `from`: until the next day'),
  })
  .meta({ id: 'AlertSchedule' });

const fields = {
  description: text(500),
  enabled: z.boolean(),
  violation_types: z.array(Word).max(50).describe('empty: any'),
  cameras: z.array(Name).max(500).describe('empty: any'),
  min_severity: Severity,
  window_s: z.int().min(1).max(604_800),
  threshold: z.int().min(1).max(100_000).describe('violations within the window'),
  consecutive: z.int().min(1).max(1_000).describe('violations in a row with which the threshold has to be met'),
  cooldown_s: z.int().min(0).max(604_800).describe('from the delivery of an alert, for each camera'),
  schedule: Schedule.nullable().describe('when it is in force; null: always'),
  channels: z.array(AlertChannel).max(10),
};

export const AlertRuleCreation = z
  .strictObject({
    name: Name,
    description: fields.description.default(''),
    enabled: fields.enabled.default(true),
    violation_types: fields.violation_types.default([]),
    cameras: fields.cameras.default([]),
    min_severity: fields.min_severity.default('low'),
    window_s: fields.window_s.default(60),
    threshold: fields.threshold.default(1),
    consecutive: fields.consecutive.default(1),
    cooldown_s: fields.cooldown_s.default(300),
    schedule: fields.schedule.default(null),
    channels: fields.channels.default([{ kind: 'notify' }]),
  })
  .meta({ id: 'AlertRuleCreation' });
export type AlertRuleCreation = z.output<typeof AlertRuleCreation>;

export const AlertRuleChange = z
  .strictObject({ name: Name, ...fields })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'AlertRuleChange', minProperties: 1 });
export type AlertRuleChange = z.output<typeof AlertRuleChange>;

const time = z.iso.datetime();

/** A rule as the API shows it. `user`: who changed it last, with whose secrets its webhooks are signed; null: nobody yet. */
export const AlertRule = z
  .object({
    id: z.int(),
    name: z.string(),
    ...fields,
    user: z.string().nullable(),
    last_fired_at: time.nullable().describe('when an alert of it was last delivered'),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'AlertRule' });
export type AlertRule = z.output<typeof AlertRule>;

export const ALERT_DELIVERIES = ['pending', 'sent', 'failed', 'suppressed'] as const;

/** What narrows the history of alerts; times are those of the firing. */
export const alertFilters = {
  rule_id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  camera_id: Name.optional(),
  violation_type: Word.optional(),
  violation_id: z.uuid().toLowerCase().optional(),
  from: Instant.optional().describe('fired at or after'),
  until: Instant.optional().describe('fired before'),
};

/** An alert, sent or kept back. `reason`: why it went out (due, severity, zone) or did not (cooldown, delivery_pending, outside_schedule). */
export const Alert = z
  .object({
    id: z.uuid(),
    rule_id: z.int().nullable(),
    rule_name: z.string(),
    camera_id: z.string(),
    state: z.enum(['firing', 'resolved']),
    violation_id: z.uuid().nullable(),
    violation_ids: z.array(z.uuid()),
    violation_type: z.string(),
    severity: Severity,
    violations: z.int(),
    delivery: z.enum(ALERT_DELIVERIES),
    reason: z.string(),
    channels: z.int().describe('how many it goes to'),
    delivered: z.int().describe('how many of them have it'),
    attempts: z.int(),
    next_attempt_at: time.nullable(),
    error: z.string().nullable(),
    fired_at: time,
    sent_at: time.nullable(),
    resolved_at: time.nullable(),
    acked_by: z.string().nullable(),
    acked_at: time.nullable(),
    ack_note: z.string().nullable(),
  })
  .meta({ id: 'Alert' });
export type Alert = z.output<typeof Alert>;

const note = text(2_000).nullable().default(null);
export const AlertAcknowledgement = z.strictObject({ note }).meta({ id: 'AlertAcknowledgement' });
export type AlertAcknowledgement = z.output<typeof AlertAcknowledgement>;

export const AlertBulkAcknowledgement = z
  .strictObject({ ids: z.array(z.uuid().toLowerCase()).min(1).max(1_000), note })
  .meta({ id: 'AlertBulkAcknowledgement' });
export type AlertBulkAcknowledgement = z.output<typeof AlertBulkAcknowledgement>;

/** `missing`: ids that are not there, or of another user's camera. What was acknowledged before stays as it was. */
export const AlertBulkResult = z.object({ acknowledged: z.int(), missing: z.array(z.uuid()) }).meta({ id: 'AlertBulkResult' });
export type AlertBulkResult = z.output<typeof AlertBulkResult>;
