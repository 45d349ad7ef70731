import type { SlaContext } from '../../commands/check-sla.ts';
import type { CommandContext } from '../../commands/context.ts';
import { createSla } from '../../commands/create-sla.ts';
import { createVault } from '../../commands/secrets-vault.ts';
import { type Em, query } from '../../entities/sql.ts';
import { SlaCreation } from '../../schemas/sla.ts';
import { testEngines } from './factories.ts';

let made = 0;

/** What judges SLAs in tests: loopback may be reached, mail is configured. */
export const slaContext = (ctx: CommandContext): SlaContext => ({
  ...ctx,
  config: { OUTBOUND_ALLOW: ['127.0.0.0/8'], SMTP_URL: 'smtp://127.0.0.1:1' },
  vault: createVault(Buffer.alloc(32, 7)),
  engines: testEngines,
});

/** An SLA of the caller's; conditions and actions as a user would send them. @returns its id */
export async function makeSla(ctx: CommandContext, conditions: object[], more: Record<string, unknown> = {}): Promise<number> {
  made += 1;
  const creation = SlaCreation.parse({ name: `sla-${made}`, conditions, ...more });
  return (await createSla(slaContext(ctx), creation)).id;
}

/** Attaches an SLA, as operators do. @param to `queue:q`, `pool:p`, `template:t` */
export async function attach(em: Em, sla_id: number | null, to = 'queue:q'): Promise<void> {
  const [table, name] = to.split(':');
  await query(em, `update ${table}s set sla_id = $2 where name = $1`, [name, sla_id]);
}

export type ClockRow = {
  condition: string;
  kind: string;
  attempt: number;
  epoch: number;
  state: string;
  note: string | null;
  due_at: string | null;
  started_at: string;
  stopped_at: string | null;
  broken_at: string | null;
  paused: boolean;
  paused_ms: number;
};

/** The clocks of a task, in the order in which they were started. */
export async function clocksOf(em: Em, task: string): Promise<ClockRow[]> {
  return await query<ClockRow>(
    em,
    `select k.name as condition, c.kind, c.attempt, c.epoch, c.state, c.note, c.due_at, c.started_at, c.stopped_at, c.broken_at, c.paused_at is not null as paused,
       c.paused_ms::float8 as paused_ms from sla_clocks c join sla_conditions k on k.id = c.condition_id where c.task_id = $1 order by c.id`,
    [task],
  );
}

export type BreachRow = {
  id: string;
  condition: string;
  stage: number;
  epoch: number;
  subject: string;
  scope: string;
  state: string;
  reason: string;
  due_at: string;
  late_ms: number;
};

/** All breaches, in the order of their due times. */
export async function breaches(em: Em): Promise<BreachRow[]> {
  return await query<BreachRow>(
    em,
    `select id, condition, stage, epoch, subject_type || ':' || subject_id as subject, scope, state, detail->>'reason' as reason, due_at,
       (extract(epoch from fired_at - due_at) * 1000)::float8 as late_ms from breaches order by due_at, id`,
  );
}

/** Lets time pass for one task: everything that happened to it, and its clocks, are moved into the past. */
export async function age(em: Em, task: string, seconds: number): Promise<void> {
  const shift = (columns: string[]): string => columns.map((column) => `${column} = ${column} - make_interval(secs => $2)`).join(', ');
  await em.transactional(async (tx) => {
    await query(tx as Em, 'set local session_replication_role = replica');
    const times = ['eligible_at', 'queued_at', 'started_at', 'completed_at', 'vtime', 'created_at', 'not_before'];
    await query(tx as Em, `update tasks set ${shift(times)} where uuid = $1`, [task, seconds]);
    await query(tx as Em, `update instances set ${shift(['created_at', 'admitted_at', 'start_time', 'end_time'])} where task_id = $1`, [
      task,
      seconds,
    ]);
    await query(tx as Em, `update task_slas set ${shift(['eligible_at'])} where task_id = $1`, [task, seconds]);
    await query(tx as Em, `update breaches set ${shift(['due_at', 'fired_at'])} where task_id = $1`, [task, seconds]);
    const clock = ['eligible_at', 'started_at', 'due_at', 'next_at', 'paused_at', 'broken_at', 'stopped_at'];
    await query(tx as Em, `update sla_clocks set ${shift(clock)} where task_id = $1`, [task, seconds]);
  });
}
