import { z } from 'zod';
import { type Member, ON_FAILURE, parseRunLimit, subjectOf, WEEKDAYS } from '../core/sla.ts';
import { isInstant } from '../core/sla-plan.ts';
import { ClockS, Instant, Name, text } from './limits.ts';

const MOST_STAGES = 10;
const STAGE = { least: 1, most: 1_000 };

const limit_s = ClockS.describe('seconds, from 1 to 366 days');
const pause_aware = z.boolean().default(true).describe('time on hold is taken off');
const min_samples = z
  .int()
  .min(1)
  .max(200)
  .default(10)
  .describe('ended runs of the template that must be known; with fewer the clock is inactive');
const Share = z.number().min(0).max(1);
const Count = z.int().min(0).max(1_000_000_000);

const RunLimit = text(20)
  .refine((limit) => parseRunLimit(limit) !== null, 'must be p50, p90 or p95 of the template’s run times, times a factor: p95*1.5')
  .describe('factor of the template’s own run times: p95*1.5');

const LocalTime = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/, 'must be a time of day such as 07:00, or an instant with a zone');

const Calendar = z.strictObject({
  days: z
    .array(z.enum(WEEKDAYS))
    .min(1)
    .max(7)
    .default([...WEEKDAYS])
    .describe('local days on which it counts'),
  except: z.array(z.iso.date()).max(366).default([]).describe('local dates on which it does not'),
});

/** The fields of each kind, without what depends on where a condition stands. */
const leaves = {
  queue_wait: { kind: z.literal('queue_wait'), limit_s, pause_aware },
  start_delay: { kind: z.literal('start_delay'), limit_s },
  run_time: { kind: z.literal('run_time'), limit_s: limit_s.optional(), limit: RunLimit.optional(), min_samples },
  total_time: { kind: z.literal('total_time'), limit_s, pause_aware },
  deadline: {
    kind: z.literal('deadline'),
    at: z
      .union([Instant, LocalTime])
      .describe('an instant, or the next local time after the nominal time of the fire, else after the task could first start'),
    timezone: text(100).min(1).optional().describe('name of the IANA time zone database; default UTC'),
    calendar: Calendar.optional(),
  },
  attempts: { kind: z.literal('attempts'), max: z.int().min(1).max(1_000).describe('one more is a breach') },
  assertion: {
    kind: z.literal('assertion'),
    that: text(1_000).min(1).describe('SQL/JSON path predicate on {result, parameters, tags, run_s}: $.result.rows > 0'),
  },
  failure_rate: {
    kind: z.literal('failure_rate'),
    window_s: limit_s,
    min_runs: z.int().min(1).max(1_000_000).default(10),
    gt: Share.max(0.999_999).describe('share of failed among ended tasks'),
  },
  absence: { kind: z.literal('absence'), of: z.enum(['success', 'start']).default('success'), within_s: limit_s },
  freshness: {
    kind: z.literal('freshness'),
    max_age_s: limit_s.describe('age of the latest completed task, by its nominal time where it has one'),
  },
  missed_occurrence: { kind: z.literal('missed_occurrence'), window_s: limit_s.default(86_400), gt: Count.default(0) },
  queue_depth: { kind: z.literal('queue_depth'), gt: Count },
  queue_oldest_age: { kind: z.literal('queue_oldest_age'), gt_s: limit_s },
  pool_utilisation: {
    kind: z.literal('pool_utilisation'),
    gt: Share.max(0.999_999).describe('greater of the shares of cores and memory that are reserved'),
  },
};

const Leaf = z.discriminatedUnion('kind', [
  z.strictObject(leaves.queue_wait),
  z.strictObject(leaves.start_delay),
  z.strictObject(leaves.run_time),
  z.strictObject(leaves.total_time),
  z.strictObject(leaves.deadline),
  z.strictObject(leaves.attempts),
  z.strictObject(leaves.assertion),
  z.strictObject(leaves.failure_rate),
  z.strictObject(leaves.absence),
  z.strictObject(leaves.freshness),
  z.strictObject(leaves.missed_occurrence),
  z.strictObject(leaves.queue_depth),
  z.strictObject(leaves.queue_oldest_age),
  z.strictObject(leaves.pool_utilisation),
]);

/** `all` and `any` of members; one inside the other four deep in all. */
const combined = <S extends z.ZodType>(member: S) => {
  const of = z.array(member).min(2).max(10);
  return [z.strictObject({ kind: z.literal('all'), of }), z.strictObject({ kind: z.literal('any'), of })] as const;
};
const Nested2 = z.discriminatedUnion('kind', [...combined(Leaf), ...Leaf.options]);
const Nested1 = z.discriminatedUnion('kind', [...combined(Nested2), ...Leaf.options]);
const Inner = z.discriminatedUnion('kind', [...combined(Nested1), ...Leaf.options]).meta({ id: 'SlaMember' });

const named = { name: Name.optional().describe('default: its kind') };
const timed = {
  ...named,
  stages: z
    .array(z.int().min(STAGE.least).max(STAGE.most))
    .min(1)
    .max(MOST_STAGES)
    .refine((stages) => new Set(stages).size === stages.length, 'must not name a stage twice')
    .optional()
    .describe('per cents of the limit at which something happens; 100 always is one'),
  on_failure: z.enum(ON_FAILURE).optional().describe('when the task fails before: void (default), keep (default of deadlines), breach'),
};
const OnEnd = z.enum(['void', 'breach']).optional().describe('when the task fails before: void (default) or breach');
const brief = { ...timed, on_failure: OnEnd };
const eventful = { ...named, on_failure: OnEnd };
const sustained = {
  ...named,
  for_s: z.int().min(0).max(31_622_400).default(0).describe('it must hold so long before it is a breach'),
  clear: z.number().min(0).max(1e12).optional().describe('value at or below which it is over; default: the limit'),
  clear_for_s: z.int().min(0).max(31_622_400).default(0),
};

const of = z.array(Inner).min(2).max(10);

export const SlaCondition = z
  .discriminatedUnion('kind', [
    z.strictObject({ ...brief, ...leaves.queue_wait }),
    z.strictObject({ ...brief, ...leaves.start_delay }),
    z.strictObject({ ...brief, ...leaves.run_time }),
    z.strictObject({ ...timed, ...leaves.total_time }),
    z.strictObject({ ...timed, ...leaves.deadline }),
    z.strictObject({
      ...named,
      kind: z.literal('at_risk'),
      of: Name.describe('name of a condition of kind deadline or total_time in this SLA'),
      margin_s: z.int().min(0).max(31_622_400).default(0).describe('tell so much earlier'),
      min_samples,
    }),
    z.strictObject({ ...eventful, ...leaves.attempts }),
    z.strictObject({ ...eventful, ...leaves.assertion }),
    z.strictObject({ ...sustained, ...leaves.failure_rate }),
    z.strictObject({ ...sustained, ...leaves.absence }),
    z.strictObject({ ...sustained, ...leaves.freshness }),
    z.strictObject({ ...sustained, ...leaves.missed_occurrence }),
    z.strictObject({ ...sustained, ...leaves.queue_depth }),
    z.strictObject({ ...sustained, ...leaves.queue_oldest_age }),
    z.strictObject({ ...sustained, ...leaves.pool_utilisation }),
    z.strictObject({ ...sustained, on_failure: timed.on_failure, kind: z.literal('all'), of }),
    z.strictObject({ ...sustained, on_failure: timed.on_failure, kind: z.literal('any'), of }),
  ])
  .superRefine((condition, issues) => checkMember(condition as Member, { path: [], issues }))
  .meta({ id: 'SlaCondition' });
export type SlaCondition = z.output<typeof SlaCondition>;

type Place = { path: (string | number)[]; issues: z.core.$RefinementCtx };

/** What one field alone cannot tell. */
function checkMember(member: Member, place: Place): void {
  checkLeaf(member, place);
  if (member.kind !== 'all' && member.kind !== 'any') return;
  const { path, issues } = place;
  if (path.length === 0 && subjectOf(member) === null)
    issues.addIssue({ code: 'custom', path: ['of'], message: 'must not mix conditions on tasks with conditions on groups' });
  for (const [n, inner] of member.of.entries()) checkMember(inner, { path: [...path, 'of', n], issues });
}

function checkLeaf(member: Member, { path, issues }: Place): void {
  const bad = (field: string, message: string): void => issues.addIssue({ code: 'custom', path: [...path, field], message });
  if (member.kind === 'run_time' && (member.limit_s === undefined) === (member.limit === undefined))
    bad('limit_s', 'must have either limit_s or limit');
  if (member.kind === 'deadline' && isInstant(member.at) && (member.timezone !== undefined || member.calendar !== undefined))
    bad('at', 'must be a time of day such as 07:00 where timezone or calendar are given');
}
