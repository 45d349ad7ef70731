import { EngineError } from '../core/errors.ts';
import { type Occurrence, previousFire } from '../core/occurrences.ts';
import { fillPlaceholders } from '../core/placeholders.ts';
import type { Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import type { TaskSubmission } from '../schemas/task.ts';
import { actingUser } from './acting-user.ts';
import type { Actor } from './context.ts';
import { ruleOf, type ScheduleRow } from './schedule-row.ts';
import { submitTasks } from './submit-tasks.ts';

type Nominal = Pick<Occurrence, 'at' | 'local'>;

const iso = (at: number): string => new Date(at).toISOString();

/** The submission that a schedule makes for one nominal time, placeholders filled. */
export function submissionOf(row: ScheduleRow, { at, local }: Nominal): TaskSubmission {
  const wantsStart = JSON.stringify(row.parameters).includes('data_start');
  const start = wantsStart ? (previousFire(ruleOf(row), at)?.at ?? at) : at;
  const values = { nominal_at: iso(at), nominal_local: local, data_start: iso(start), data_end: iso(at) };
  return {
    template: row.template,
    template_version: row.template_version ?? undefined,
    name: row.name,
    parameters: fillPlaceholders(row.parameters, values),
    queue: row.queue ?? undefined,
    priority: row.priority ?? undefined,
    timeout: row.timeout ?? undefined,
    tags: row.tags,
  };
}

/** For whom, and by what (schedule or backfill), a task is submitted. */
export type Source = { user_id: number; source_id: string };

/** The task of an occurrence, or why there is none. */
export type Submission = { task: string; error: null } | { task: null; error: string };

/**
 * Submits the task of one occurrence in the caller's transaction, with the rights that its user has now. A refusal is an answer, not an
 * exception: it belongs into the ledger. What is not a refusal, such as a lost connection, is thrown, and everything is done again.
 */
export async function submitOccurrence(
  em: Em,
  { row, nominal, source }: { row: ScheduleRow; nominal: Nominal; source: Source },
  engines: Engines,
): Promise<Submission> {
  try {
    const actor = await actingUser(em, source.user_id);
    return { task: await submitAs(em, { actor, row, nominal, source }, engines), error: null };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { task: null, error: `${error.code}: ${error.message}`.slice(0, 500) };
  }
}

type Order = { actor: Actor; row: ScheduleRow; nominal: Nominal; source: Source };

async function submitAs(em: Em, { actor, row, nominal, source }: Order, engines: Engines): Promise<string> {
  const ctx = { em, actor, request_id: `cron/${row.id}/${iso(nominal.at)}` };
  const { tasks } = await submitTasks(ctx, { items: [submissionOf(row, nominal)], idempotency: null }, engines);
  const uuid = tasks[0]?.uuid as string;
  await query(em, 'update tasks set source_id = $2, nominal_at = $3 where uuid = $1', [uuid, source.source_id, iso(nominal.at)]);
  return uuid;
}
