import { z } from 'zod';
import { TaskStatus } from '../core/states.ts';
import { Instant, Name, Priority, Tags, text } from './limits.ts';
import { CancelWish } from './task.ts';

/** Which tasks: as the query of GET /tasks, and by id. All that is given must hold; nothing given is all tasks that the caller may change. */
const Filter = z.strictObject({
  uuids: z.array(z.uuid().toLowerCase()).min(1).max(1_000).optional(),
  status: z.array(z.enum(TaskStatus)).min(1).max(6).optional(),
  queue: Name.optional(),
  template: Name.optional(),
  type: Name.optional().describe('engine'),
  tags: Tags.optional().describe('tasks that have all of them'),
  created_after: Instant.optional(),
  created_before: Instant.optional(),
  user: text(50).min(1).optional().describe('user name; for operators'),
  q: text(200).min(1).optional().describe('part of the name'),
});

const common = {
  filter: Filter.describe('must be given; {} means every task that the caller may change'),
  dry_run: z.boolean().default(false).describe('only count'),
};
const NoArgs = z.strictObject({}).default({});

/** One action on all tasks that a filter finds now. */
export const BulkActionCreation = z
  .discriminatedUnion('action', [
    z.strictObject({ action: z.literal('cancel'), args: CancelWish.default({ reason: null, grace_s: null }), ...common }),
    z.strictObject({ action: z.literal('retry'), args: NoArgs, ...common }),
    z.strictObject({ action: z.literal('hold'), args: NoArgs, ...common }),
    z.strictObject({ action: z.literal('release'), args: NoArgs, ...common }),
    z.strictObject({ action: z.literal('set_priority'), args: z.strictObject({ priority: Priority }), ...common }),
    z.strictObject({ action: z.literal('move_queue'), args: z.strictObject({ queue: Name }), ...common }),
  ])
  .meta({ id: 'BulkActionCreation' });
export type BulkActionCreation = z.output<typeof BulkActionCreation>;

/** What is done to each task, without the filter. */
export type BulkDeed = BulkActionCreation extends infer C
  ? C extends { action: infer A; args: infer R }
    ? { action: A; args: R }
    : never
  : never;

/** A bulk action and how far it is: `total` is `waiting` + `done` + `failed` + `skipped`. */
export const BulkAction = z
  .object({
    id: z.uuid(),
    action: z.enum(['cancel', 'retry', 'hold', 'release', 'set_priority', 'move_queue']),
    filter: z.record(z.string(), z.unknown()),
    args: z.record(z.string(), z.unknown()),
    status: z.enum(['running', 'completed', 'cancelled']),
    user: z.string(),
    total: z.int(),
    waiting: z.int(),
    done: z.int(),
    failed: z.int(),
    skipped: z.int().describe('left alone because the bulk action was cancelled'),
    completed_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'BulkAction' });
export type BulkAction = z.output<typeof BulkAction>;

/** What a dry run found. */
export const BulkCount = z.object({ dry_run: z.literal(true), total: z.int() }).meta({ id: 'BulkCount' });

/** What a bulk action did to one task; `code` and `detail` say why it failed. */
export const BulkActionItem = z
  .object({
    task: z.uuid(),
    status: z.enum(['waiting', 'done', 'failed', 'skipped']),
    code: z.string().nullable(),
    detail: z.string().nullable(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'BulkActionItem' });
export type BulkActionItem = z.output<typeof BulkActionItem>;
