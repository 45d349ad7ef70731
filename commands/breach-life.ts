import { EngineError } from '../core/errors.ts';
import { findBreach } from '../entities/breach.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Breach } from '../schemas/breach.ts';
import { audited } from './audited.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';

export const noBreach = (id: string): EngineError => new EngineError('not_found', `breach ${id}: there is none`);

type Deed = { id: string; verb: 'acknowledge' | 'snooze' | 'resolve'; note: string | null; until?: string };

/**
 * Somebody has seen a breach. Asking twice is harmless; a snoozed one wakes.
 * @throws EngineError not_found (also for others'), conflict: it is resolved
 */
export const acknowledgeBreach = async (ctx: CommandContext, { id, note }: { id: string; note: string | null }): Promise<Breach> =>
  await live(ctx, { id, verb: 'acknowledge', note });

/**
 * Nobody wants to see a breach until a certain time; then it is open again.
 * @throws EngineError not_found (also for others'); conflict: it is resolved; invalid_input: the time is past, or more than a year ahead
 */
export async function snoozeBreach(
  ctx: CommandContext,
  { id, note, until }: { id: string; note: string | null; until: string },
): Promise<Breach> {
  const ahead_ms = Date.parse(until) - Date.now();
  if (ahead_ms <= 0 || ahead_ms > YEAR_MS) {
    const detail = `must be within the coming year, got ${until}`;
    throw new EngineError('invalid_input', `until: ${detail}`, { errors: [{ pointer: '/until', detail }] });
  }
  return await live(ctx, { id, verb: 'snooze', note, until });
}

const YEAR_MS = 366 * 86_400_000;

/**
 * Somebody says that a breach is dealt with. Asking twice is harmless.
 * @throws EngineError not_found, also for others'
 */
export const resolveBreach = async (ctx: CommandContext, { id, note }: { id: string; note: string | null }): Promise<Breach> =>
  await live(ctx, { id, verb: 'resolve', note });

async function live(ctx: CommandContext, deed: Deed): Promise<Breach> {
  const { id, verb } = deed;
  return await audited(ctx, { action: `breach.${verb}`, subject_type: 'breach', subject_id: id }, async (em) => {
    const scope = { user_id: seesAll(ctx.actor) ? null : ctx.actor.id };
    await query(em, 'select 1 from breaches where id = $1 for no key update', [id]);
    const before = await findBreach(em, id, scope);
    if (!before) throw noBreach(id);
    await change(em, before, { ...deed, actor: actorName(ctx.actor) });
    const after = (await findBreach(em, id, scope)) as Breach;
    return { before, after, result: after };
  });
}

async function change(em: Em, { id, state }: Breach, { verb, note, until, actor }: Deed & { actor: string }): Promise<void> {
  if (state === 'resolved' && verb === 'resolve') return;
  if (state === 'resolved') throw new EngineError('conflict', `breach ${id}: is resolved already`);
  await query(em, LIFE[verb], [id, actor, note, ...(until === undefined ? [] : [until])]);
}

const SEEN = `acknowledged_at = coalesce(acknowledged_at, clock_timestamp()), acknowledged_by = coalesce(acknowledged_by, $2)`;
const LIFE = {
  acknowledge: `update breaches set state = 'acknowledged', ${SEEN}, snoozed_until = null, note = coalesce($3, note), seq = null where id = $1`,
  snooze: `update breaches set state = 'snoozed', ${SEEN}, snoozed_until = $4, note = coalesce($3, note), seq = null where id = $1`,
  resolve: `update breaches set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = $2, snoozed_until = null, note = coalesce($3, note), seq = null where id = $1`,
};

/** Wakes what was snoozed up to now. @returns how many */
export async function wakeSnoozed(em: Em): Promise<number> {
  return (await query(em, WAKE)).length;
}

const WAKE = `update breaches set state = 'open', snoozed_until = null, seq = null
  where id in (select id from breaches where state = 'snoozed' and snoozed_until <= clock_timestamp() order by id limit 500 for no key update skip locked) returning id`;
