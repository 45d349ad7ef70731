import { z } from 'zod';
import { RunId } from '../../schemas/flames.ts';
import { Name } from '../../schemas/limits.ts';

export const TaskPath = z.strictObject({ uuid: z.uuid().toLowerCase() });
export const BulkActionPath = z.strictObject({ uuid: z.uuid().toLowerCase() });
export const InstancePath = z.strictObject({ runid: z.uuid().toLowerCase() });
export const NamePath = z.strictObject({ name: Name });
export const WorkerPath = z.strictObject({ id: Name });
export const UserPath = z.strictObject({ id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });
export const RunPath = z.strictObject({ id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });
export const SchedulePath = z.strictObject({ id: z.uuid().toLowerCase() });
export const BackfillPath = z.strictObject({ id: z.uuid().toLowerCase(), backfill: z.uuid().toLowerCase() });
export const NotificationPath = z.strictObject({ id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });
export const DeliveryPath = z.strictObject({ id: z.uuid().toLowerCase() });
export const SlaPath = z.strictObject({ id: z.coerce.number().int().min(1).max(2_147_483_647) });
export const BreachPath = z.strictObject({ id: z.uuid().toLowerCase() });
export const FlamesRunPath = z.strictObject({ task_id: RunId });
export const DatasetPath = z.strictObject({ id: z.coerce.number().int().min(1).max(2_147_483_647) });
