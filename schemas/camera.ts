import { z } from 'zod';
import { Name, text } from './limits.ts';

const Timezone = text(100).min(1).describe('name of the IANA time zone database: where its days begin, for summaries');

export const CameraCreation = z
  .strictObject({
    id: Name.describe('what detectors send as camera_id'),
    name: text(200).min(1).optional().describe('shown in lists; default: the id'),
    timezone: Timezone.default('UTC'),
  })
  .meta({ id: 'CameraCreation' });
export type CameraCreation = z.output<typeof CameraCreation>;

export const CameraChange = z
  .strictObject({ name: text(200).min(1).optional(), timezone: Timezone.optional() })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .meta({ id: 'CameraChange', minProperties: 1 });
export type CameraChange = z.output<typeof CameraChange>;

/** A camera as the API shows it. `last_at`: the latest frame of any of its sessions. */
export const Camera = z
  .object({
    id: z.string(),
    name: z.string(),
    user: z.string(),
    timezone: z.string(),
    sessions: z.int(),
    open_violations: z.int(),
    last_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Camera' });
export type Camera = z.output<typeof Camera>;
