import { EngineError } from '../core/errors.ts';
import { findSla } from '../entities/sla.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { SlaRebound } from '../schemas/sla.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { noSla } from './lock-sla.ts';
import { writeAudit } from './write-audit.ts';

const BATCH = 200;
const FIRST = '00000000-0000-0000-0000-000000000000';

type Counts = Omit<SlaRebound, 'version'>;
type Done = { counts: Counts; last: string | null };

/**
 * Moves the open tasks of an SLA to its current version, and pins those in scope that were eligible before it was attached. In small transactions, tasks in the order of
 * their ids, each with its audit row; broken off, it is simply done again. Repeating it changes nothing.
 * @throws EngineError not_found, also for others'; conflict: the SLA is not enabled
 */
export async function rebindSla(ctx: CommandContext, id: number): Promise<SlaRebound> {
  const sla = await findSla(ctx.em, id, { user_id: seesAll(ctx.actor) ? null : ctx.actor.id });
  if (!sla) throw noSla(id);
  if (!sla.enabled) throw new EngineError('conflict', `SLA ${id}: is not enabled, there is nothing to bind to`);
  const total: Counts = { moved: 0, added: 0, released: 0 };
  for (let after: string | null = FIRST; after !== null; ) {
    const { counts, last }: Done = await rebindBatch(ctx, id, after);
    for (const key of ['moved', 'added', 'released'] as const) total[key] += counts[key];
    after = last;
  }
  return { ...total, version: sla.current_version };
}

/** @returns `last`: the task after which the next batch begins; null: there is none */
async function rebindBatch(ctx: CommandContext, id: number, after: string): Promise<Done> {
  return await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const tasks = (await query<{ uuid: string }>(em, TASKS, [id, after, BATCH])).map(({ uuid }) => uuid);
    const [counts = { moved: 0, added: 0, released: 0 }] = await query<Counts>(em, 'select * from sla_rebind($1, $2::uuid[])', [id, tasks]);
    if (after === FIRST || Object.values(counts).some((n) => n > 0)) await audit(em, ctx, { id, counts });
    return { counts, last: tasks.length < BATCH ? null : (tasks.at(-1) ?? null) };
  });
}

const TASKS = `select t.uuid from tasks t join queues q on q.name = t.queue join pools o on o.name = q.pool join templates m on m.name = t.template
    left join backfills f on f.id = t.source_id left join schedules c on c.id = coalesce(f.schedule_id, t.source_id)
  where t.uuid > $2 and (($1 in (t.sla_id, c.sla_id, m.sla_id, q.sla_id, o.sla_id) and t.status in ('queued', 'processing'))
    or (t.status in ('pending', 'queued', 'processing') and exists (select 1 from task_slas p where p.task_id = t.uuid and p.sla_id = $1)))
  order by t.uuid limit $3 for no key update of t`;

async function audit(em: Em, ctx: CommandContext, { id, counts }: { id: number; counts: Counts }): Promise<void> {
  const actor = actorName(ctx.actor);
  await writeAudit(em, {
    actor,
    action: 'sla.rebind',
    subject_type: 'sla',
    subject_id: String(id),
    after: counts,
    request_id: ctx.request_id,
  });
}
