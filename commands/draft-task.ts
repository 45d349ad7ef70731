import { uuidv7 } from 'uuidv7';
import type { Task, TaskSubmission } from '../schemas/task.ts';
import type { Actor } from './context.ts';
import type { PreparedTask, PreparedVersion } from './prepare-tasks.ts';

/** The task that a prepared submission becomes, with an id and without times. */
export function draftTask(actor: Pick<Actor, 'username'>, { item, version, parameters, queue, wiring }: PreparedTask): Task {
  return {
    uuid: wiring?.uuid ?? uuidv7(),
    name: item.name ?? version.template,
    template: version.template,
    template_version: version.version,
    type: version.engine,
    status: 'queued',
    pending_reason: null,
    status_reason: null,
    parameters,
    queue: queue.name,
    user: actor.username,
    priority: item.priority ?? version.priority,
    timeout: item.timeout ?? version.timeout,
    cpu: version.cpu,
    memory_mb: version.memory_mb,
    tags: item.tags,
    attempt: 0,
    retries_used: 0,
    progress: 0,
    runid: null,
    cancel_requested_at: null,
    not_before: item.not_before ? new Date(item.not_before).toISOString() : null,
    deadline: item.deadline ? new Date(item.deadline).toISOString() : null,
    eligible_at: '',
    queued_at: null,
    started_at: null,
    completed_at: null,
    held_at: null,
    waits_for: wiring?.upstreams.filter(({ state }) => state === 'open').length ?? 0,
    ...clocksOf(item, version),
    due_at: null,
    result: null,
    error: null,
    created_at: '',
    updated_at: '',
  };
}

/** Null in the submission takes the template's limit away. */
function clocksOf(item: TaskSubmission, version: PreparedVersion): Pick<Task, 'queue_timeout_s' | 'start_timeout_s' | 'total_timeout_s'> {
  const given = Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined)) as Partial<TaskSubmission>;
  const { queue_timeout_s, start_timeout_s, total_timeout_s } = { ...version, ...given };
  return { queue_timeout_s, start_timeout_s, total_timeout_s };
}

/** Answers that were stored before tasks had these fields. */
const EARLIER = {
  held_at: null,
  waits_for: 0,
  queue_timeout_s: null,
  start_timeout_s: null,
  total_timeout_s: null,
  due_at: null,
  deadline: null,
};

/** The times and the state that the database gave a fresh task; all follow from one instant, so a replay can rebuild the first answer. */
export function stampTask(task: Task, now: Date): Task {
  const at = now.toISOString();
  const drafted = { ...EARLIER, ...task };
  const reason = waitsFor(drafted, now);
  const eligible_at = drafted.not_before !== null && new Date(drafted.not_before) > now ? drafted.not_before : at;
  const stamped = { ...drafted, pending_reason: reason, eligible_at, queued_at: reason ? null : at, created_at: at, updated_at: at };
  return { ...stamped, status: reason ? 'pending' : 'queued', due_at: dueAt(stamped) };
}

function waitsFor(task: Task, now: Date): Task['pending_reason'] {
  if (task.waits_for > 0) return 'dependency';
  return task.not_before !== null && new Date(task.not_before) > now ? 'not_before' : null;
}

/** As the trigger `keep_due` has it. */
function dueAt({ queued_at, queue_timeout_s, eligible_at, total_timeout_s, waits_for }: Task): string | null {
  const ends = [
    queued_at === null || queue_timeout_s === null ? [] : [Date.parse(queued_at) + queue_timeout_s * 1000],
    total_timeout_s === null || waits_for > 0 ? [] : [Date.parse(eligible_at) + total_timeout_s * 1000],
  ].flat();
  return ends.length === 0 ? null : new Date(Math.min(...ends)).toISOString();
}
