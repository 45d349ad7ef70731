import { z } from 'zod';
import { submitTasks } from '../../../commands/submit-tasks.ts';
import { EngineError } from '../../../core/errors.ts';
import { FlamesParameters } from '../../../engines/flames/parameters.ts';
import { Name, Priority, text } from '../../../schemas/limits.ts';
import { SubmittedTask, type Task } from '../../../schemas/task.ts';
import { defineRoute, type RouteContext, withHeaders } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { visibleRun } from './visible-run.ts';

const { scorer, concurrency, max_retries, request_timeout_s, max_error_share, min_coverage, cache } = FlamesParameters.shape;

const Rescoring = z
  .strictObject({
    scorer,
    concurrency,
    max_retries,
    request_timeout_s,
    max_error_share,
    min_coverage,
    cache,
    template: Name.default('flames').describe('template of the task that does it'),
    name: text(200).min(1).optional(),
    queue: Name.optional(),
    priority: Priority.optional(),
  })
  .meta({ id: 'FlamesRescoring' });

export const rescoreFlamesRunRoute = defineRoute({
  id: 'rescoreFlamesRun',
  method: 'post',
  path: '/flames/runs/{task_id}/rescore',
  summary: 'Have the stored responses of an evaluation scored again, as a further set of scores, by a task of its own; no model is asked',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  body: Rescoring,
  response: { status: 201, schema: SubmittedTask },
  handle: async ({ params, body }, ctx) => {
    const run = await visibleRun(ctx, params.task_id);
    const { task, warnings } = await submit(ctx, run.task_id, body);
    ctx.notify('dispatch');
    return withHeaders(warnings.length > 0 ? { ...task, warnings } : task, { Location: `/api/v1/tasks/${task.uuid}` });
  },
});

async function submit(
  ctx: RouteContext,
  rescore_of: string,
  body: z.output<typeof Rescoring>,
): Promise<{ task: Task; warnings: string[] }> {
  const { template, name, queue, priority, ...parameters } = body;
  const item = { template, name, queue, priority, tags: {}, parameters: { ...parameters, rescore_of } };
  try {
    const { tasks, warnings } = await submitTasks(ctx, { items: [item], idempotency: null }, ctx.engines);
    return { task: tasks[0] as Task, warnings };
  } catch (error) {
    throw error instanceof EngineError ? withoutItem(error) : error;
  }
}

/** Pointers into the one item of the batch, as pointers into the body. */
function withoutItem(error: EngineError): EngineError {
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0(\/parameters)?/, ''), detail }));
  return new EngineError(error.code, error.message, { errors, details: error.details, cause: error });
}
