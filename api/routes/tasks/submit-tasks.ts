import { createHash } from 'node:crypto';
import { z } from 'zod';
import { dryRun } from '../../../commands/dry-run.ts';
import { submitTasks } from '../../../commands/submit-tasks.ts';
import { EngineError } from '../../../core/errors.ts';
import { DryRun } from '../../../schemas/explanation.ts';
import { text } from '../../../schemas/limits.ts';
import { SubmittedBatch, SubmittedTask, TaskSubmission } from '../../../schemas/task.ts';
import { defineRoute, otherwise, type RouteContext, withHeaders } from '../../define-route.ts';

const MOST_ITEMS = 1_000;

const Batch = z.array(TaskSubmission).min(1).max(MOST_ITEMS);

const fingerprint = (body: unknown): string =>
  createHash('sha256')
    .update(`POST /api/v1/tasks\n${JSON.stringify(body)}`)
    .digest('hex');

export const submitTasksRoute = defineRoute({
  id: 'submitTasks',
  method: 'post',
  path: '/tasks',
  summary: 'Submit a task, or up to 1,000 at once: all or none',
  tags: ['tasks'],
  rights: 'user',
  large_body: true,
  headers: z.object({
    'idempotency-key': text(255).min(1).optional().describe('repeating the request with the same key gives the first answer again'),
  }),
  body: z.union([TaskSubmission, Batch]),
  query: z.strictObject({
    dry_run: z.enum(['true', 'false']).default('false').describe('only tell what would become of it; writes nothing'),
  }),
  also: { status: 200, schema: DryRun },
  response: { status: 201, schema: z.union([SubmittedTask, SubmittedBatch]) },
  handle: async ({ body, headers, query }, ctx) => {
    if (query.dry_run === 'true') return otherwise({ dry_run: true, items: await tryOut(ctx, body) });
    const single = !Array.isArray(body);
    const { tasks, replayed, warnings } = await submit(ctx, body, headers['idempotency-key']);
    if (!replayed) ctx.notify('dispatch');
    const answerHeaders: Record<string, string> = replayed ? { 'Idempotency-Replayed': 'true' } : {};
    const [first] = tasks;
    if (!single || !first) return withHeaders({ items: tasks, warnings }, answerHeaders);
    const answer = warnings.length > 0 ? { ...first, warnings } : first;
    return withHeaders(answer, { ...answerHeaders, Location: `/api/v1/tasks/${first.uuid}` });
  },
});

async function submit(ctx: RouteContext, body: TaskSubmission | TaskSubmission[], key: string | undefined) {
  const items = Array.isArray(body) ? body : [body];
  const idempotency = key === undefined ? null : { key, request_hash: fingerprint(body) };
  try {
    return await submitTasks(ctx, { items, idempotency }, ctx.engines);
  } catch (error) {
    throw Array.isArray(body) ? error : withoutIndex(error);
  }
}

async function tryOut(ctx: RouteContext, body: TaskSubmission | TaskSubmission[]) {
  const options = { engines: ctx.engines, lost_after_s: ctx.config.LOST_AFTER_S };
  try {
    return await dryRun(ctx, Array.isArray(body) ? body : [body], options);
  } catch (error) {
    throw Array.isArray(body) ? error : withoutIndex(error);
  }
}

/** The command points into a list; a single task was not sent as one. */
function withoutIndex(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.errors.length === 0) return error;
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0(?=\/|$)/, ''), detail }));
  return new EngineError(error.code, error.message, { retryable: error.retryable, details: error.details, errors, cause: error });
}
