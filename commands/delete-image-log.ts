import { EngineError } from '../core/errors.ts';
import { findImageLog } from '../entities/docker.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';

/** @throws EngineError not_found; conflict: the operation has not ended */
export async function deleteImageLog(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'image_log.delete', subject_type: 'docker_image_log', subject_id: String(id) }, async (em) => {
    const before = await findImageLog(em, id);
    if (!before) throw new EngineError('not_found', `image log ${id}: there is none`);
    const gone = await query(em, `delete from docker_image_log where id = $1 and status <> 'started' returning 1`, [id]);
    if (gone.length === 0) throw new EngineError('conflict', `image log ${id}: its operation has not ended yet`);
    return { before, after: null, result: undefined };
  });
}
