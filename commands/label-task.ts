import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { Tags } from '../schemas/limits.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask } from './lock-task.ts';
import { writeAudit } from './write-audit.ts';

/**
 * Sets some tags of a task and leaves the others, whatever its state: what is said about a task is no part of what it does.
 * @throws EngineError not_found (also for others' tasks), conflict: it would have too many tags
 */
export async function labelTask(ctx: CommandContext, uuid: string, set: Record<string, string>): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    await lockTask(em, ctx, uuid);
    const [row] = await query<{ tags: Record<string, string> }>(em, 'select tags from tasks where uuid = $1', [uuid]);
    const tags = { ...row?.tags, ...set };
    if (!Tags.safeParse(tags).success) throw new EngineError('conflict', `task ${uuid}: would have more than 20 tags`);
    await query(em, 'update tasks set tags = $2::jsonb where uuid = $1', [uuid, JSON.stringify(tags)]);
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'task.label',
      subject_type: 'task',
      subject_id: uuid,
      before: { tags: row?.tags },
      after: { tags },
    });
  });
}
