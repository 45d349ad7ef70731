/** What is said about a breach; `task` null: its subject is a group. Times ISO 8601. */
export type BreachFacts = {
  sla: string;
  condition: string;
  kind: string;
  stage: number;
  subject_type: string;
  subject_id: string;
  due_at: string;
  reason: string | null;
  task: { name: string; template: string; queue: string; status: string } | null;
  value: number | null;
};

const KINDS: Record<string, string> = {
  queue_wait: 'waits too long in its queue',
  start_delay: 'was not begun in time',
  run_time: 'runs too long',
  total_time: 'takes too long in all',
  deadline: 'missed its deadline',
  at_risk: 'will probably be late',
  attempts: 'needed too many attempts',
  assertion: 'left what was not promised',
  failure_rate: 'fails too often',
  absence: 'has been silent for too long',
  freshness: 'has no fresh result',
  missed_occurrence: 'missed a fire',
  queue_depth: 'has too many waiting tasks',
  queue_oldest_age: 'has a task that waits too long',
  pool_utilisation: 'is almost full',
};

const subjectOf = ({ subject_type, subject_id, task }: BreachFacts): string =>
  task ? `task "${task.name}" of ${task.template}` : `${subject_type} "${subject_id}"`;

/** One line for subjects of mails and lists. */
export function breachTitle(facts: BreachFacts): string {
  const stage = facts.stage === 100 ? '' : ` (${facts.stage} %)`;
  return `SLA ${facts.sla}: ${subjectOf(facts)} ${KINDS[facts.kind] ?? `broke ${facts.condition}`}${stage}`;
}

/** The facts as lines of a mail. */
export function breachText(facts: BreachFacts): string {
  const { task, condition, kind, stage, due_at, reason, value, subject_type, subject_id } = facts;
  const lines = [
    `${subject_type}: ${subject_id}`,
    `condition: ${condition} (${kind}), stage ${stage} %`,
    `due: ${due_at}`,
    ...(reason === null ? [] : [`reason: ${reason}`]),
    ...(value === null ? [] : [`value: ${value}`]),
    ...(task === null ? [] : [`queue: ${task.queue}`, `status: ${task.status}`]),
  ];
  return lines.join('\n');
}
