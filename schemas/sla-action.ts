import { z } from 'zod';
import { Cores, Name, Priority, Tags, text } from './limits.ts';
import { Severity } from './notice.ts';

const Lasts = z.int().min(1).max(31_622_400).describe('seconds after which it is undone');
const message = text(2_000).min(1).optional().describe('instead of the sentence that the engine makes');

const when = {
  condition: Name.optional().describe('name of the condition that it follows; default: each'),
  stage: z.int().min(1).max(1_000).default(100).describe('stage in per cent that it follows'),
};

export const SlaAction = z
  .discriminatedUnion('do', [
    z.strictObject({
      ...when,
      do: z.literal('notify'),
      to: z
        .array(z.enum(['owner', 'task_owner']))
        .min(1)
        .max(2)
        .default(['owner']),
      severity: Severity.default('warning'),
      message,
    }),
    z.strictObject({
      ...when,
      do: z.literal('webhook'),
      url: z.string().min(1).max(2_000).describe('http or https, a public address'),
      secrets: z.array(Name).min(1).max(2).describe('names of secrets that sign it; two while the key is changed'),
    }),
    z.strictObject({ ...when, do: z.literal('email'), to: z.array(z.email().max(200)).min(1).max(10), message }),
    z.strictObject({ ...when, do: z.literal('cancel'), grace_s: z.int().min(0).max(60).nullable().default(null) }),
    z.strictObject({ ...when, do: z.literal('fail') }),
    z.strictObject({ ...when, do: z.literal('retry'), max: z.int().min(1).max(10).default(1).describe('times for one task') }),
    z.strictObject({
      ...when,
      do: z.literal('escalate_priority'),
      by: z.int().min(1).max(100).optional(),
      to: Priority.optional(),
      cap: Priority.default(100).describe('never above'),
    }),
    z.strictObject({ ...when, do: z.literal('move_queue'), queue: Name }),
    z.strictObject({ ...when, do: z.literal('label'), set: Tags }),
    z.strictObject({ ...when, do: z.literal('hold_queue'), queue: Name.optional().describe('default: that of the subject'), for_s: Lasts }),
    z.strictObject({
      ...when,
      do: z.literal('resize_pool'),
      pool: Name.optional().describe('default: that of the subject'),
      cpu: Cores.default(0).describe('cores on top'),
      memory_mb: z.int().min(0).max(1_000_000_000).default(0).describe('MB on top'),
      for_s: Lasts,
    }),
    z.strictObject({
      ...when,
      do: z.literal('pause_schedule'),
      schedule: z.uuid().toLowerCase().optional().describe('default: that of the subject'),
      for_s: Lasts,
    }),
    z.strictObject({
      ...when,
      do: z.literal('run_template'),
      template: Name,
      parameters: z.record(z.string(), z.unknown()).default({}),
      queue: Name.optional(),
      priority: Priority.optional(),
    }),
  ])
  .superRefine((action, issues) => {
    const bad = (path: string, text: string): void => issues.addIssue({ code: 'custom', path: [path], message: text });
    if (action.do === 'escalate_priority' && (action.by === undefined) === (action.to === undefined))
      bad('by', 'must have either by or to');
    if (action.do === 'resize_pool' && action.cpu === 0 && action.memory_mb === 0) bad('cpu', 'must add cores or memory');
    if (action.do === 'label' && Object.keys(action.set).length === 0) bad('set', 'must set something');
  })
  .meta({ id: 'SlaAction' });
export type SlaAction = z.output<typeof SlaAction>;
