import { noSla } from '../../../commands/lock-sla.ts';
import { findSla } from '../../../entities/sla.queries.ts';
import type { Sla } from '../../../schemas/sla.ts';
import type { RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** @throws EngineError not_found, also for others' SLAs */
export async function visibleSla(ctx: RouteContext, id: number): Promise<Sla> {
  const sla = await findSla(ctx.em, id, scopeOf(ctx.actor));
  if (!sla) throw noSla(id);
  return sla;
}
