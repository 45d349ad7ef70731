import { z } from 'zod';
import { Name } from '../../../schemas/limits.ts';
import { ContainerId } from '../../../schemas/log-segment.ts';

export const NumberPath = z.strictObject({ id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });
export const ContainerPath = z.strictObject({ container_id: ContainerId });
export const TypePath = z.strictObject({ type: Name.describe('error, warning, info or debug') });
