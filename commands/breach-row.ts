import { type BreachFacts, breachText, breachTitle } from '../core/breach-text.ts';
import type { Message } from '../core/delivery.ts';
import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { jsonTime } from '../entities/wire.ts';
import { actingUser } from './acting-user.ts';
import type { CommandContext } from './context.ts';

/** A breach as its actions see it. `owner`: with whose rights its SLA acts; `attempt` and `generation` tell which life of the task it is about. */
export type BreachRow = BreachFacts & {
  id: string;
  sla_id: number;
  owner: number | null;
  version: number;
  epoch: number;
  scope: string;
  cooled: boolean | null;
  priority: number;
  cooldown_s: number;
  fired_at: string;
  detail: Record<string, unknown>;
  task_id: string | null;
  task_user: number | null;
  task_priority: number | null;
  schedule: string | null;
  pool: string | null;
  sla_depth: number;
};

/** One breach with what it is about now; null: there is none. */
export async function findBreachRow(em: Em, id: string): Promise<BreachRow | null> {
  return (await query<BreachRow>(em, SELECT, [id]))[0] ?? null;
}

const SELECT = `
select b.id, b.sla_id, s.name as sla, s.user_id::int4 as owner, v.version, v.priority, v.cooldown_s, b.condition, b.kind, b.stage, b.epoch, b.subject_type, b.subject_id,
  b.scope, b.cooled, ${jsonTime('b.due_at')} as due_at, ${jsonTime('b.fired_at')} as fired_at, b.detail, b.detail->>'reason' as reason, (b.detail->>'value')::float8 as value,
  t.uuid as task_id, t.user_id::int4 as task_user, t.priority as task_priority, coalesce(t.sla_depth, 0) as sla_depth, coalesce(f.schedule_id, t.source_id,
    case when b.subject_type = 'schedule' then b.subject_id::uuid end) as schedule,
  case b.subject_type when 'pool' then b.subject_id else q.pool end as pool,
  case when t.uuid is not null then jsonb_build_object('name', t.name, 'template', t.template, 'queue', t.queue, 'status', t.status) end as task
from breaches b join slas s on s.id = b.sla_id join sla_versions v on v.id = b.sla_version_id left join tasks t on t.uuid = b.task_id
  left join queues q on q.name = coalesce(t.queue, case when b.subject_type = 'queue' then b.subject_id end) left join backfills f on f.id = t.source_id
where b.id = $1`;

/**
 * The context in which an SLA acts: its owner's rights of this moment, under its own name.
 * @throws EngineError forbidden: it has no owner, or the owner is not active
 */
export async function slaContextOf(em: Em, breach: BreachRow): Promise<CommandContext> {
  if (breach.owner === null) throw new EngineError('forbidden', `SLA "${breach.sla}": has no owner with whose rights it could act`);
  const actor = await actingUser(em, breach.owner);
  return { em, actor: { ...actor, acts_as: `sla:${breach.sla}` }, request_id: `breach/${breach.id}` };
}

/** What is told about a breach. `text`: instead of the facts as lines. */
export function breachMessage(breach: BreachRow, text: string | null): Message {
  const {
    id,
    sla,
    sla_id,
    version,
    condition,
    kind,
    stage,
    epoch,
    subject_type,
    subject_id,
    scope,
    due_at,
    fired_at,
    detail,
    task,
    task_id,
  } = breach;
  const facts = { id, sla, sla_id, version, condition, kind, stage, epoch, subject_type, subject_id, scope, due_at, fired_at, detail };
  return {
    type: 'sla.breach',
    title: breachTitle(breach),
    text: text ?? breachText(breach),
    data: { breach: facts, task: task && { uuid: task_id, ...task } },
  };
}
