import { createHash } from 'node:crypto';
import { z } from 'zod';
import { submitTasks } from '../../../commands/submit-tasks.ts';
import { EngineError } from '../../../core/errors.ts';
import { VIDEO_FIELDS } from '../../../engines/video/parameters.ts';
import { query } from '../../../entities/sql.ts';
import { Instant, Name, Priority, Tags, TimeoutS, text } from '../../../schemas/limits.ts';
import { TaskSubmission } from '../../../schemas/task.ts';
import { SubmittedVideo } from '../../../schemas/video.ts';
import { defineRoute, type RouteContext, withHeaders } from '../../define-route.ts';
import { visibleVideo } from './video-scope.ts';

const ENVELOPE = {
  template: Name.default('video').describe('a template of the engine `video`'),
  name: text(200).min(1).optional(),
  queue: Name.optional(),
  priority: Priority.optional(),
  timeout: TimeoutS.optional().describe('seconds that an instance may run'),
  not_before: Instant.optional(),
  tags: Tags.optional(),
};

/** A video to make: a prompt or scenes, and how they are to be queued. What is left out comes from the template. */
const VideoSubmission = z.strictObject({ ...z.strictObject(VIDEO_FIELDS).partial().shape, ...ENVELOPE }).meta({ id: 'VideoSubmission' });
type VideoSubmission = z.output<typeof VideoSubmission>;

function asTask(body: VideoSubmission): TaskSubmission {
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  const pick = (wanted: boolean) => Object.fromEntries(given.filter(([name]) => name in VIDEO_FIELDS === wanted));
  return TaskSubmission.parse({ ...pick(false), parameters: pick(true) });
}

/** The command speaks of a list of tasks with parameters; the sender wrote one flat object. */
function flattened(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.errors.length === 0) return error;
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/0(\/parameters)?(?=\/|$)/, ''), detail }));
  const message = `${errors[0]?.pointer || 'the body'}: ${errors[0]?.detail}`;
  return new EngineError(error.code, message, { retryable: error.retryable, details: error.details, errors, cause: error });
}

/** A template that is not there is refused by the command. @throws EngineError invalid_input */
async function refuseOtherEngine({ em }: RouteContext, name: string): Promise<void> {
  const [template] = await query<{ engine: string }>(em, 'select engine from templates where name = $1', [name]);
  if (!template || template.engine === 'video') return;
  const detail = `template "${name}" runs ${template.engine}, expected one of the engine video`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: '/template', detail }] });
}

async function submit(ctx: RouteContext, body: VideoSubmission, key: string | undefined) {
  await refuseOtherEngine(ctx, body.template);
  const request_hash = createHash('sha256')
    .update(`POST /api/v1/video/tasks\n${JSON.stringify(body)}`)
    .digest('hex');
  const idempotency = key === undefined ? null : { key, request_hash };
  try {
    return await submitTasks(ctx, { items: [asTask(body)], idempotency }, ctx.engines);
  } catch (error) {
    throw flattened(error);
  }
}

export const submitVideoRoute = defineRoute({
  id: 'submitVideo',
  method: 'post',
  path: '/video/tasks',
  summary: 'Submit a video: a prompt, or scenes',
  tags: ['video'],
  rights: 'user',
  headers: z.object({
    'idempotency-key': text(255).min(1).optional().describe('repeating the request with the same key gives the first answer again'),
  }),
  body: VideoSubmission,
  response: { status: 201, schema: SubmittedVideo },
  handle: async ({ body, headers }, ctx) => {
    const { tasks, replayed, warnings } = await submit(ctx, body, headers['idempotency-key']);
    if (!replayed) ctx.notify('dispatch');
    const uuid = tasks[0]?.uuid ?? '';
    const video = await visibleVideo(ctx, uuid);
    const replay: Record<string, string> = replayed ? { 'Idempotency-Replayed': 'true' } : {};
    const answer = warnings.length > 0 ? { ...video, warnings } : video;
    return withHeaders(answer, { ...replay, Location: `/api/v1/video/tasks/${uuid}` });
  },
});
