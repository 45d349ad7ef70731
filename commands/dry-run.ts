import { needKey, pinnedNeed } from '../core/admission.ts';
import { EngineError } from '../core/errors.ts';
import { fairNeed } from '../core/fair-share.ts';
import { vtimeOf } from '../core/order.ts';
import { expectedLength } from '../core/run-time.ts';
import { type BucketShape, bucketShape } from '../core/token-bucket.ts';
import type { Engines } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import type { TaskSubmission } from '../schemas/task.ts';
import type { CommandContext } from './context.ts';
import { draftTask } from './draft-task.ts';
import { explainCandidate, type Outlook } from './explain-candidate.ts';
import { type PreparedTask, prepareTasks } from './prepare-tasks.ts';
import type { Waiting } from './snapshot.ts';

/** What would become of one item of a submission. `starts_now`: the next admission would start it. */
export type Prospect = Outlook & {
  template: string;
  queue: string;
  parameters: Record<string, unknown>;
  starts_now: boolean;
  warnings: string[];
};

const MOST_ITEMS = 100;

/**
 * Checks a submission as `submitTasks` does and tells for each item, taken alone, what would stand before it. Writes nothing.
 * @throws EngineError invalid_input: more than 100 items; see `submitTasks`, except for quota and keys of repeated requests
 */
export async function dryRun(
  ctx: CommandContext,
  items: readonly TaskSubmission[],
  { engines, lost_after_s }: { engines: Engines; lost_after_s: number },
): Promise<Prospect[]> {
  if (items.length > MOST_ITEMS)
    throw new EngineError('invalid_input', `dry run: at most ${MOST_ITEMS} items at once, got ${items.length}`);
  const prepared = await prepareTasks(
    ctx,
    items.map((item, index) => ({ item, index })),
    engines,
  );
  const prospects: Prospect[] = [];
  for (const each of prepared) {
    const outlook = await explainCandidate(ctx, await candidateFor(ctx, each), lost_after_s);
    const { template } = each.version;
    const starts_now = outlook.gates.length === 0 && !isAhead(each.item.not_before);
    prospects.push({ template, queue: each.queue.name, parameters: each.parameters, starts_now, warnings: each.warnings, ...outlook });
  }
  return prospects;
}

const isAhead = (not_before: string | undefined): boolean => not_before !== undefined && Date.parse(not_before) > Date.now();

type Beside = { now: number; p90_s: number | null; capacity: number | null; held: number | null };

const BESIDE = `
select extract(epoch from clock_timestamp())::float8 * 1000 as now, (select p90_s from template_runtimes where template = $1) as p90_s,
  (select capacity from concurrency_keys where key = $2) as capacity, (select held from concurrency_keys where key = $2) as held`;

async function candidateFor(ctx: CommandContext, prepared: PreparedTask): Promise<Waiting> {
  const { uuid, type, queue, cpu, memory_mb, priority, timeout, template, not_before, deadline } = draftTask(ctx.actor, prepared);
  const [beside] = await query<Beside>(ctx.em, BESIDE, [template, prepared.concurrency_key]);
  const now = beside?.now ?? 0;
  const p90_s = beside?.p90_s ?? null;
  const expected_s = expectedLength({ timeout_s: timeout, p90_s });
  const eligible_at = not_before ? Math.max(now, Date.parse(not_before)) : now;
  const limit = prepared.version.concurrency?.limit ?? 0;
  const held = beside?.held ?? 0;
  const name = prepared.concurrency_key;
  return {
    uuid,
    user: ctx.actor.id,
    queue,
    need: fairNeed(pinnedNeed(needKey(type, cpu, memory_mb), prepared.worker), prepared.queue.fairness, ctx.actor.id),
    engine: type,
    amount: { cpu_milli: Math.round(cpu * 1000), memory_mb },
    vtime: vtimeOf({ eligible_at, priority, step_s: prepared.queue.step_s, deadline: deadline ? Date.parse(deadline) : null, expected_s }),
    eligible_at,
    timeout_s: timeout,
    p90_s,
    key: name === null ? null : { name, limit, held, parked: held >= limit },
    bucket: prepared.rate_key,
    shape: shapeOf(prepared),
  };
}

const shapeOf = ({ rate_key, version }: PreparedTask): BucketShape | null =>
  rate_key === null || !version.rate_limit ? null : bucketShape(rate_key, version.rate_limit, version.id);
