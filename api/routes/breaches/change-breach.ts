import { z } from 'zod';
import { acknowledgeBreach, resolveBreach, snoozeBreach } from '../../../commands/breach-life.ts';
import { Breach, BreachNote } from '../../../schemas/breach.ts';
import { Instant, text } from '../../../schemas/limits.ts';
import { defineRoute } from '../../define-route.ts';
import { BreachPath } from '../paths.ts';

const NO_NOTE = { note: null };
const common = {
  method: 'post',
  tags: ['breaches'],
  rights: 'user',
  params: BreachPath,
  response: { status: 200, schema: Breach },
} as const;

export const acknowledgeBreachRoute = defineRoute({
  ...common,
  tags: ['breaches'],
  id: 'acknowledgeBreach',
  path: '/breaches/{id}/acknowledge',
  summary: 'Note that somebody has seen a breach',
  body: BreachNote.default(NO_NOTE),
  handle: async ({ params, body }, ctx) => await acknowledgeBreach(ctx, { id: params.id, note: body.note }),
});

export const snoozeBreachRoute = defineRoute({
  ...common,
  tags: ['breaches'],
  id: 'snoozeBreach',
  path: '/breaches/{id}/snooze',
  summary: 'Put a breach aside until a certain time; then it is open again',
  body: z.strictObject({ until: Instant, note: text(1_000).min(1).nullable().default(null) }),
  handle: async ({ params, body }, ctx) => await snoozeBreach(ctx, { id: params.id, ...body }),
});

export const resolveBreachRoute = defineRoute({
  ...common,
  tags: ['breaches'],
  id: 'resolveBreach',
  path: '/breaches/{id}/resolve',
  summary: 'Say that a breach is dealt with',
  body: BreachNote.default(NO_NOTE),
  handle: async ({ params, body }, ctx) => await resolveBreach(ctx, { id: params.id, note: body.note }),
});
