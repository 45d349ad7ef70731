import type { z } from 'zod';
import { type Member, subjectOf } from '../core/sla.ts';
import type { SlaAction } from './sla-action.ts';
import type { SlaCondition } from './sla-condition.ts';

const MOST_AT_A_STAGE = 10;

export const nameOf = ({ name, kind }: SlaCondition): string => name ?? kind;

/** Ascending, 100 among them; conditions that are not timed have only that. */
export function stagesOf(condition: SlaCondition): number[] {
  const given = 'stages' in condition ? (condition.stages ?? []) : [];
  return [...new Set([...given, 100])].sort((a, b) => a - b);
}

type Content = { conditions: readonly SlaCondition[]; actions: readonly SlaAction[] };
type Bad = (path: (string | number)[], message: string) => void;

/** What conditions and actions say of each other. */
export function checkContent(content: Content, { issues }: { issues: z.core.$RefinementCtx }): void {
  const bad: Bad = (path, message) => issues.addIssue({ code: 'custom', path, message });
  for (const n of content.conditions.keys()) checkCondition(content, n, bad);
  for (const n of content.actions.keys()) checkAction(content, n, bad);
}

function checkCondition({ conditions, actions }: Content, n: number, bad: Bad): void {
  const condition = conditions[n] as SlaCondition;
  const stages = stagesOf(condition);
  const taken = conditions.slice(0, n).findIndex((other) => nameOf(other) === nameOf(condition));
  if (taken >= 0) bad(['conditions', n, 'name'], `is taken by condition ${taken}, "${nameOf(condition)}"`);
  if (stages.length > MOST_AT_A_STAGE) bad(['conditions', n, 'stages'], `must not be more than ${MOST_AT_A_STAGE}, 100 included`);
  if (condition.kind === 'at_risk') checkTarget(conditions, { n, of: condition.of }, bad);
  for (const stage of stages) checkCount(actions, { name: nameOf(condition), stage }, bad);
}

function checkTarget(conditions: readonly SlaCondition[], { n, of }: { n: number; of: string }, bad: Bad): void {
  const target = conditions.find((condition) => nameOf(condition) === of);
  if (target?.kind !== 'deadline' && target?.kind !== 'total_time')
    bad(['conditions', n, 'of'], `must name a condition of kind deadline or total_time, got "${of}"`);
}

function checkCount(actions: readonly SlaAction[], { name, stage }: { name: string; stage: number }, bad: Bad): void {
  const at = actions.flatMap((action, n) => (action.stage === stage && (action.condition ?? name) === name ? [n] : []));
  const surplus = at[MOST_AT_A_STAGE];
  if (surplus !== undefined) bad(['actions', surplus], `is one too many: at most ${MOST_AT_A_STAGE} follow stage ${stage} of "${name}"`);
}

/** Actions on the task itself need a condition on tasks. */
const ON_TASK = new Set<SlaAction['do']>(['cancel', 'fail', 'retry', 'escalate_priority', 'move_queue', 'label']);

function checkAction({ conditions, actions }: Content, n: number, bad: Bad): void {
  const action = actions[n] as SlaAction;
  const followed = conditions.filter((condition) => (action.condition ?? nameOf(condition)) === nameOf(condition));
  const staged = followed.filter((condition) => stagesOf(condition).includes(action.stage));
  if (followed.length === 0) bad(['actions', n, 'condition'], `must name a condition of this SLA, got "${action.condition}"`);
  else if (staged.length === 0) bad(['actions', n, 'stage'], `must be a stage of the condition that it follows, got ${action.stage}`);
  else if (ON_TASK.has(action.do) && staged.some((condition) => subjectOf(condition as Member) === 'group'))
    bad(['actions', n, 'do'], `"${action.do}" acts on a task: name a condition on tasks in \`condition\``);
}
