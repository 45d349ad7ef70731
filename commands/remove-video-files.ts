import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { lockTask } from './lock-task.ts';
import { writeAudit } from './write-audit.ts';

/**
 * Gives up the files of a final video task: its rows say so at once, the files go within seconds. What they took is free for the user as soon as they
 * are gone. The task itself stays; a retry renders everything again.
 * @throws EngineError not_found (also for others' tasks), conflict: the task is not final
 */
export async function giveUpVideoFiles(ctx: CommandContext, task_id: string): Promise<void> {
  await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const { status } = await lockTask(em, ctx, task_id);
    if (!['completed', 'failed', 'cancelled'].includes(status)) {
      throw new EngineError('conflict', `task ${task_id}: its files can be removed when it is final, it is ${status}`);
    }
    const given = await query(em, 'update video_files set task_id = null where task_id = $1 returning id', [task_id]);
    await query(em, `update videos set status = 'removed' where task_id = $1 and status = 'completed'`, [task_id]);
    await query(
      em,
      `update tasks set final_video_path = null, completed_scenes = case when status = 'completed' then completed_scenes else 0 end where uuid = $1`,
      [task_id],
    );
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      request_id: ctx.request_id,
      action: 'video.remove_files',
      subject_type: 'task',
      subject_id: task_id,
      after: { files: given.length },
    });
  });
}

const BATCH = 200;

/**
 * Removes files that belong to no task any more, because it was removed by age or its owner gave them up: first the file, then its row, so that none
 * is forgotten whenever this is broken off. One that cannot be removed does not keep the others.
 * @returns files removed
 * @throws the first fault, at the end
 */
export async function removeOrphanedFiles(fork: () => Em, artifacts: ArtifactStore, signal: AbortSignal): Promise<number> {
  let removed = 0;
  const faults: unknown[] = [];
  for await (const id of orphans(fork)) {
    if (signal.aborted) break;
    try {
      if (await fork().transactional((tx) => removeOne(tx as Em, artifacts, id))) removed += 1;
    } catch (cause) {
      faults.push(cause);
    }
  }
  if (faults.length > 0) throw faults[0];
  return removed;
}

async function* orphans(fork: () => Em): AsyncGenerator<string> {
  for (let after = '0'; ; ) {
    const rows = await query<{ id: string }>(fork(), ORPHANS, [after, BATCH]);
    yield* rows.map(({ id }) => id);
    if (rows.length < BATCH) return;
    after = rows.at(-1)?.id ?? after;
  }
}

const ORPHANS = 'select id from video_files where task_id is null and id > $1 order by id limit $2';

/** Under the row's lock: whoever is about to store a file of this name waits, and then notes it anew. */
async function removeOne(tx: Em, artifacts: ArtifactStore, id: string): Promise<boolean> {
  const [row] = await query<{ key: string }>(tx, 'select key from video_files where id = $1 and task_id is null for update', [id]);
  if (!row) return false;
  await artifacts.remove(row.key);
  await query(tx, 'delete from video_files where id = $1', [id]);
  return true;
}
