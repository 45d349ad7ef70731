/** States of a task: the documents' five and `queued`. Stored as text under a CHECK. */
export const TaskStatus = {
  pending: 'pending',
  queued: 'queued',
  processing: 'processing',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;
export type TaskStatus = (typeof TaskStatus)[keyof typeof TaskStatus];

/** States of an instance. `starting` and `running` hold resources ("live"); the others are final and never left. */
export const InstanceStatus = {
  starting: 'starting',
  running: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  timed_out: 'timed_out',
  lost: 'lost',
} as const;
export type InstanceStatus = (typeof InstanceStatus)[keyof typeof InstanceStatus];
export type FinalInstanceStatus = Exclude<InstanceStatus, 'starting' | 'running'>;

/** Why a task is `pending`. */
export const PendingReason = {
  not_before: 'not_before',
  retry: 'retry',
  dependency: 'dependency',
  hold: 'hold',
} as const;
export type PendingReason = (typeof PendingReason)[keyof typeof PendingReason];

/**
 * Every legal change of a task's state; all else is refused by a database trigger made from this table.
 * `failed` and `cancelled` are left only by the retry command.
 */
export const TASK_TRANSITIONS: Record<TaskStatus, readonly TaskStatus[]> = {
  pending: ['queued', 'cancelled', 'failed'],
  queued: ['processing', 'pending', 'cancelled', 'failed'],
  processing: ['completed', 'failed', 'cancelled', 'pending', 'queued'],
  completed: [],
  failed: ['queued', 'pending'],
  cancelled: ['queued', 'pending'],
};

/** Every legal change of an instance's state. A cancelled `starting` instance was never claimed by a worker. */
export const INSTANCE_TRANSITIONS: Record<InstanceStatus, readonly InstanceStatus[]> = {
  starting: ['running', 'completed', 'failed', 'cancelled', 'timed_out', 'lost'],
  running: ['completed', 'failed', 'cancelled', 'timed_out', 'lost'],
  completed: [],
  failed: [],
  cancelled: [],
  timed_out: [],
  lost: [],
};

/** True when an instance in this state holds no resources any more and never changes again. */
export const isFinalInstance = (status: InstanceStatus): status is FinalInstanceStatus => INSTANCE_TRANSITIONS[status].length === 0;

/** True when nothing but a retry command can move the task. */
export const isFinalTask = (status: TaskStatus): boolean => ['completed', 'failed', 'cancelled'].includes(status);
