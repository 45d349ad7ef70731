import { z } from 'zod';
import { ContainerId } from '../../../schemas/log-segment.ts';

/** An image by id (in full, or its first twelve digits or more), or by name; slashes of names are encoded. */
export const ImagePath = z.strictObject({
  image_id: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._\-/:@]*$/, 'must be an image’s id or name'),
});
export const ContainerNamePath = z.strictObject({ container_id: ContainerId });
