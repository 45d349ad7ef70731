import { EngineError } from '../core/errors.ts';
import { BOUND_TO, findSla } from '../entities/sla.queries.ts';
import { query } from '../entities/sql.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockOwnSla } from './lock-sla.ts';

type Uses = { bound_to: string[]; tasks: number; clocks: number };

/**
 * Deletes an SLA that is attached to nothing and measures nothing. Its versions stay for as long as breaches refer to them; its name is free again.
 * @throws EngineError not_found; conflict: says what it is attached to
 */
export async function deleteSla(ctx: CommandContext, id: number): Promise<void> {
  await audited(ctx, { action: 'sla.delete', subject_type: 'sla', subject_id: String(id) }, async (em) => {
    await lockOwnSla(em, ctx, id);
    const before = await findSla(em, id, { user_id: null });
    await query(em, `update slas set deleted_at = clock_timestamp(), enabled = false where id = $1`, [id]);
    const [uses] = await query<Uses>(em, USES, [id]);
    if (uses) refuseUsed(id, uses);
    await query(em, 'delete from sla_watches where sla_id = $1', [id]);
    return { before, after: null, result: undefined };
  });
}

const USES = `select ${BOUND_TO('$1')} as bound_to, (select count(*)::int4 from tasks where sla_id = $1 and status in ('pending', 'queued', 'processing')) as tasks,
  (select count(*)::int4 from sla_clocks where sla_id = $1 and stopped_at is null) as clocks`;

function refuseUsed(id: number, { bound_to, tasks, clocks }: Uses): void {
  const refused = (why: string) => new EngineError('conflict', `SLA ${id}: cannot be deleted, ${why}`);
  if (bound_to.length > 0) throw refused(`it is attached to ${bound_to.slice(0, 10).join(', ')}`);
  if (tasks > 0) throw refused(`${tasks} tasks that are not final name it`);
  if (clocks > 0) throw refused(`${clocks} of its clocks run`);
}
