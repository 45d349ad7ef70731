import { uuidv7 } from 'uuidv7';
import type { Task } from '../schemas/task.ts';
import type { CommandContext } from './context.ts';
import type { PreparedTask } from './prepare-tasks.ts';

/** The task that a prepared submission becomes, with an id and without times. */
export function draftTask(ctx: CommandContext, { item, version, parameters, queue }: PreparedTask): Task {
  return {
    uuid: uuidv7(),
    name: item.name ?? version.template,
    template: version.template,
    template_version: version.version,
    type: version.engine,
    status: 'queued',
    pending_reason: null,
    status_reason: null,
    parameters,
    queue: queue.name,
    user: ctx.actor.username,
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
    eligible_at: '',
    queued_at: null,
    started_at: null,
    completed_at: null,
    result: null,
    error: null,
    created_at: '',
    updated_at: '',
  };
}

/** The times and the state that the database gave a fresh task; all follow from one instant, so a replay can rebuild the first answer. */
export function stampTask(task: Task, now: Date): Task {
  const at = now.toISOString();
  const waits = task.not_before !== null && new Date(task.not_before) > now;
  return {
    ...task,
    status: waits ? 'pending' : 'queued',
    pending_reason: waits ? 'not_before' : null,
    eligible_at: waits ? (task.not_before ?? at) : at,
    queued_at: waits ? null : at,
    created_at: at,
    updated_at: at,
  };
}
