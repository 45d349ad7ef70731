import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import { type Task, TaskSubmission } from '../schemas/task.ts';
import type { CommandContext } from './context.ts';
import { submitTasks } from './submit-tasks.ts';

/** What an operation is and where it shall be carried out; `worker` and `docker_id` both undefined: on the only Engine there is. */
export type ImageOperationRequest = {
  operation: string;
  worker?: string | undefined;
  docker_id?: string | undefined;
  queue?: string | undefined;
  priority?: number | undefined;
  timeout?: number | undefined;
  parameters: Record<string, unknown>;
};

type Place = { worker: string; pool: string };

const LIVE = `select id as worker, pool from workers
  where status = 'active' and heartbeat_at > now() - interval '60 seconds' and 'image' = any(engines) order by id`;
const OF_DAEMON = `select id as worker, pool from workers where docker_id = $1 and status <> 'offline' order by heartbeat_at desc limit 1`;
const OF_WORKER = 'select id as worker, pool from workers where id = $1';

const refused = (pointer: string, detail: string): EngineError =>
  new EngineError('invalid_input', `${pointer}: ${detail}`, { errors: [{ pointer, detail }] });

/** @throws EngineError invalid_input: no such worker or Engine, or none was named where there are several */
async function placeOf({ em }: CommandContext, { worker, docker_id }: ImageOperationRequest): Promise<Place> {
  if (worker !== undefined) {
    const [place] = await query<Place>(em, OF_WORKER, [worker]);
    if (!place) throw refused('/worker', `there is no worker ${JSON.stringify(worker)}`);
    return place;
  }
  if (docker_id !== undefined) {
    const [place] = await query<Place>(em, OF_DAEMON, [docker_id]);
    if (!place) throw refused('/docker_id', `no worker has the Docker Engine ${JSON.stringify(docker_id)}`);
    return place;
  }
  const live = await query<Place>(em, LIVE);
  if (live[0] && live.length === 1) return live[0];
  if (live.length === 0)
    throw new EngineError('unavailable', 'no live worker has a Docker Engine; name one that will be there, as `worker`');
  throw refused('/worker', `several workers have a Docker Engine, name one of ${live.map((place) => place.worker).join(', ')}`);
}

const QUEUE = `select q.name from queues q left join templates t on t.name = 'image' left join template_versions v on v.template = t.name and v.version = t.current_version
  where q.pool = $1 order by q.name is distinct from v.queue, q.status <> 'active', q.name limit 1`;

/** A queue of the worker's pool: the template's own where that fits. */
async function queueOf({ em }: CommandContext, { pool }: Place): Promise<string> {
  const [queue] = await query<{ name: string }>(em, QUEUE, [pool]);
  if (!queue) throw new EngineError('conflict', `pool "${pool}": it has no queue for the operation`);
  return queue.name;
}

/** The task's parameters are the request's own fields: what is wrong with them points there. */
function asAsked(cause: unknown): unknown {
  if (!(cause instanceof EngineError)) return cause;
  const errors = cause.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0(?:\/parameters)?/, ''), detail }));
  return new EngineError(cause.code, cause.message, { errors, details: cause.details, cause });
}

/**
 * Submits an operation on images as a task of the engine `image`, pinned to the worker whose Docker Engine is meant.
 * @throws EngineError as `submitTasks`; invalid_input, unavailable: no such Engine
 */
export async function submitImageOperation(ctx: CommandContext, request: ImageOperationRequest, engines: Engines): Promise<Task> {
  const place = await placeOf(ctx, request);
  const given = Object.fromEntries(Object.entries(request.parameters).filter(([, value]) => value !== undefined));
  const parameters = { operation: request.operation, worker: place.worker, ...given };
  const { priority, timeout } = request;
  const item = TaskSubmission.parse({
    template: 'image',
    name: `image ${request.operation}`,
    parameters,
    queue: request.queue ?? (await queueOf(ctx, place)),
    ...(priority === undefined ? {} : { priority }),
    ...(timeout === undefined ? {} : { timeout }),
  });
  try {
    const { tasks } = await submitTasks(ctx, { items: [item], idempotency: null }, engines);
    return tasks[0] as Task;
  } catch (cause) {
    throw asAsked(cause);
  }
}
