import type { WorkflowStartOptions } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import type { AdmittedInstance } from '../commands/admit.ts';
import { SHORT_S } from '../core/run-time.ts';
import type { InstanceInput, WaveInput } from '../core/workflow-contract.ts';

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const TASK = keyword('OrchTaskId');
const QUEUE = keyword('OrchQueue');
const POOL = keyword('OrchPool');
const ENGINE = keyword('OrchEngine');
const TEMPLATE = keyword('OrchTemplate');
const USER = keyword('OrchUser');
const PRIORITY = defineSearchAttributeKey('OrchPriority', SearchAttributeType.INT);
const TASKS = defineSearchAttributeKey('OrchTaskIds', SearchAttributeType.KEYWORD_LIST);

const SUMMARY_BYTES = 200;
const DETAILS_BYTES = 2_000;

/** Name of the workflow type that runs an engine's instances. */
export const workflowType = (engine: string): string => `${engine}Task`;

/** Text for Temporal UI: one line, no markdown of the user's, at most `bytes` bytes of UTF-8. */
export function clip(text: string, bytes: number): string {
  const plain = text.replace(/[\s|`*_<>[\]]+/g, ' ').trim();
  return Buffer.byteLength(plain) <= bytes
    ? plain
    : `${Buffer.from(plain)
        .subarray(0, bytes - 3)
        .toString('utf8')
        .replace(/\uFFFD+$/, '')}…`;
}

/** Temporal's scale has five steps, 1 is first; ours 101, 100 is first. */
export const priorityKey = (priority: number): number => Math.min(5, Math.max(1, 5 - Math.floor(priority / 20.2)));

function details(instance: AdmittedInstance): string {
  const rows = [
    ['task', instance.task_id],
    ['instance', instance.runid],
    ['attempt', String(instance.attempt)],
    ['template', instance.template],
    ['queue', instance.queue],
    ['pool', instance.pool],
    ['worker', instance.worker],
    ['user', instance.user],
    ['priority', String(instance.priority)],
    ['time-out', `${instance.timeout} s`],
  ];
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${clip(value ?? '', SUMMARY_BYTES)} |`)]
    .join('\n')
    .slice(0, DETAILS_BYTES);
}

/**
 * `eager`: the worker is in this process and takes the first workflow task with the answer. `short`: the work is expected to be over within a second,
 * and may be lost with the first workflow task. `searchable`: of a wave, the tasks that Temporal is told of.
 */
export type StartSetting = { heartbeat_timeout_s: number; eager: boolean; short: boolean; searchable?: number };

/** What both kinds of workflows have in common. Repeating a start is harmless: the same id meets the open run, and is refused once it is closed. */
function commonOptions(instance: AdmittedInstance, setting: StartSetting) {
  return {
    workflowId: instance.workflow_id,
    taskQueue: `worker-${instance.worker}`,
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    requestEagerStart: setting.eager,
  } as const;
}

const placeAttributes = (instance: AdmittedInstance) => [
  { key: QUEUE, value: instance.queue },
  { key: POOL, value: instance.pool },
  { key: ENGINE, value: instance.engine },
  { key: TEMPLATE, value: instance.template },
  { key: USER, value: instance.user },
];

const patienceOf = ({ short }: StartSetting): { patience_ms?: number } => (short ? { patience_ms: SHORT_S * 1000 } : {});

/** Everything that starts the workflow of one instance. */
export function workflowOptions(instance: AdmittedInstance, setting: StartSetting): WorkflowStartOptions {
  const title = clip(`${instance.name} (${instance.template}) queue ${instance.queue} priority ${instance.priority}`, SUMMARY_BYTES);
  const input: InstanceInput = {
    runid: instance.runid,
    task_id: instance.task_id,
    attempt: instance.attempt,
    timeout_s: instance.timeout,
    heartbeat_timeout_s: setting.heartbeat_timeout_s,
    title,
    ...patienceOf(setting),
  };
  return {
    ...commonOptions(instance, setting),
    args: [input],
    priority: { priorityKey: priorityKey(instance.priority) },
    staticSummary: title,
    staticDetails: details(instance),
    typedSearchAttributes: new TypedSearchAttributes([
      { key: TASK, value: instance.task_id },
      ...placeAttributes(instance),
      { key: PRIORITY, value: instance.priority },
    ]),
  };
}

/** Whether an instance shares its workflow with others. */
export const isWave = ({ workflow_id }: Pick<AdmittedInstance, 'workflow_id'>): boolean => workflow_id.startsWith('wave/');

/** Everything that starts the workflow of several instances. Which ones they are, the workflow's activity reads from their rows. */
export function waveOptions(members: readonly [AdmittedInstance, ...AdmittedInstance[]], setting: StartSetting): WorkflowStartOptions {
  const [first] = members;
  const priority = Math.max(...members.map((member) => member.priority));
  const title = clip(`${members.length} × ${first.template} queue ${first.queue}`, SUMMARY_BYTES);
  const input: WaveInput = {
    workflow_id: first.workflow_id,
    timeout_s: Math.max(...members.map(({ timeout }) => timeout)),
    heartbeat_timeout_s: setting.heartbeat_timeout_s,
    title,
    ...patienceOf(setting),
  };
  return {
    ...commonOptions(first, setting),
    args: [input],
    priority: { priorityKey: priorityKey(priority) },
    staticSummary: title,
    typedSearchAttributes: new TypedSearchAttributes([
      { key: TASKS, value: members.slice(0, setting.searchable).map(({ task_id }) => task_id) },
      ...placeAttributes(first),
      { key: PRIORITY, value: priority },
    ]),
  };
}
