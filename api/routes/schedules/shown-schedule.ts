import { noSchedule } from '../../../commands/schedule-row.ts';
import { inWords } from '../../../core/cron-words.ts';
import { compileRule } from '../../../core/occurrences.ts';
import { findSchedule, type PlainSchedule } from '../../../entities/schedule.queries.ts';
import type { Schedule } from '../../../schemas/schedule.ts';
import type { RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

/** A stored schedule with its rule in words. */
export const shown = (schedule: PlainSchedule): Schedule => ({ ...schedule, words: inWords(compileRule(schedule)) });

/** @throws EngineError not_found, also for others' schedules */
export async function visibleSchedule(ctx: RouteContext, id: string): Promise<PlainSchedule> {
  const schedule = await findSchedule(ctx.em, id, scopeOf(ctx.actor));
  if (!schedule) throw noSchedule(id);
  return schedule;
}
