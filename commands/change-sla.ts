import { isDeepStrictEqual } from 'node:util';
import { EngineError } from '../core/errors.ts';
import { findSla } from '../entities/sla.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import { normalised, type Sla, type SlaChange, SlaContent } from '../schemas/sla.ts';
import { audited } from './audited.ts';
import { checkSla, type SlaContext } from './check-sla.ts';
import { refuseCycles } from './check-sla-binding.ts';
import type { CommandContext } from './context.ts';
import { insertSlaVersion, type SlaText } from './insert-sla-version.ts';
import { type LockedSla, lockOwnSla } from './lock-sla.ts';

const CONTENT = ['conditions', 'actions', 'priority', 'cooldown_s'] as const;

/**
 * Changes an SLA. What it says becomes a new version, which counts for tasks that become eligible from now on; clocks that run go on as they were. A change that says nothing
 * new makes no version.
 * @throws EngineError not_found; invalid_input, forbidden; conflict: the name is taken
 */
export async function changeSla(ctx: SlaContext, { id, change }: { id: number; change: SlaChange }): Promise<Sla> {
  return await audited(ctx, { action: 'sla.change', subject_type: 'sla', subject_id: String(id) }, async (em) => {
    const row = await lockOwnSla(em, ctx, id);
    refuseForeignContent(ctx, row, change);
    const before = (await findSla(em, id, { user_id: null })) as Sla;
    const text = mergedText(before, change);
    const renewed = CONTENT.some((field) => !isDeepStrictEqual(plain(text[field]), plain(before[field])));
    if (renewed) await checkSla({ ...ctx, em }, text);
    await refuseTakenName(em, row, change.name);
    await store(em, { before, change, text, renewed });
    await refuseCycles(em, id);
    const sla = (await findSla(em, id, { user_id: null })) as Sla;
    return { before, after: sla, result: sla };
  });
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/** An SLA acts with its owner's rights: who else could say what it does would have them too. */
function refuseForeignContent({ actor }: CommandContext, row: LockedSla, change: SlaChange): void {
  if (actor.id === row.user_id || actor.role === 'admin') return;
  const field = CONTENT.find((name) => change[name] !== undefined);
  if (field) throw new EngineError('forbidden', `${field}: what another user's SLA does is for its owner and administrators to change`);
}

/** The content after the change, judged as a whole, since conditions and actions name each other. */
function mergedText(before: Sla, change: SlaChange): SlaText {
  const parsed = SlaContent.safeParse({ conditions: change.conditions ?? before.conditions, actions: change.actions ?? before.actions });
  if (!parsed.success) throw badContent(parsed.error.issues);
  const { conditions, actions } = parsed.data;
  const { priority = before.priority, cooldown_s = before.cooldown_s } = change;
  return { conditions: normalised(conditions), actions, priority, cooldown_s };
}

function badContent(issues: readonly { path: PropertyKey[]; message: string }[]): EngineError {
  const errors = issues
    .slice(0, 100)
    .map(({ path, message }) => ({ pointer: path.map((step) => `/${String(step)}`).join(''), detail: message }));
  return new EngineError('invalid_input', `${errors[0]?.pointer}: ${errors[0]?.detail}`, { errors });
}

async function refuseTakenName(em: Em, row: LockedSla, name: string | undefined): Promise<void> {
  if (name === undefined || name === row.name) return;
  const taken = await query(em, 'select 1 from slas where name = $1 and deleted_at is null', [name]);
  if (taken.length > 0) throw new EngineError('conflict', `SLA "${name}": exists already`);
}

type Storing = { before: Sla; change: SlaChange; text: SlaText; renewed: boolean };

async function store(em: Em, { before, change, text, renewed }: Storing): Promise<void> {
  const version = renewed ? before.current_version + 1 : before.current_version;
  if (renewed) await insertSlaVersion(em, { sla_id: before.id, version, text });
  const { name = before.name, description = before.description, enabled = before.enabled } = change;
  const { conditions, actions, priority, cooldown_s } = text;
  const content = [JSON.stringify(conditions), JSON.stringify(actions), priority, cooldown_s];
  await query(em, UPDATE, [before.id, name, description, enabled, version, ...content]);
}

const UPDATE = `update slas set name = $2, description = $3, enabled = $4, current_version = $5, conditions = $6::jsonb, actions = $7::jsonb,
  priority = $8, cooldown_s = $9 where id = $1`;
