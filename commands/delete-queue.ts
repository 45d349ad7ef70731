import { EngineError } from '../core/errors.ts';
import { findQueue } from '../entities/queue.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRowToDelete } from './lock-row.ts';

type Uses = { live: number; tasks: boolean; templates: string[] };

/**
 * Removes a queue that nothing refers to. One that has had tasks stays, since their rows name it: drain it instead.
 * @throws EngineError not_found; conflict: says what still refers to it
 */
export async function deleteQueue(ctx: CommandContext, name: string): Promise<void> {
  await audited(ctx, { action: 'queue.delete', subject_type: 'queue', subject_id: name }, async (em) => {
    await lockRowToDelete(em, 'queues', name);
    const before = await findQueue(em, name);
    const [uses] = await query<Uses>(em, USES, [name]);
    if (uses) refuseUsed(name, uses);
    await query(em, 'delete from queues where name = $1', [name]);
    return { before, after: null, result: undefined };
  });
}

const USES = `select (select count(*)::int4 from tasks where queue = $1 and status in ('pending', 'queued', 'processing')) as live,
  exists (select 1 from tasks where queue = $1) or exists (select 1 from grants where queue = $1) as tasks,
  array(select distinct template from template_versions where queue = $1 order by 1 limit 5) as templates`;

function refuseUsed(name: string, { live, tasks, templates }: Uses): void {
  const refused = (why: string) => new EngineError('conflict', `queue "${name}": cannot be deleted, ${why}`);
  if (live > 0) throw refused(`${live} of its tasks are not final`);
  if (tasks) throw refused('final tasks refer to it; drain it instead');
  if (templates.length > 0) throw refused(`versions of these templates refer to it: ${templates.join(', ')}`);
}
