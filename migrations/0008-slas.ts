import { Migration } from '@mikro-orm/migrations';
import { SLA_CLOCKS, SLA_CLOCKS_DOWN } from './0008-clocks.ts';
import { SLA_HOOKS, SLA_HOOKS_DOWN } from './0008-hooks.ts';
import { RESIZES, RESIZES_DOWN } from './0008-resizes.ts';

/** SLAs: what they say, what they are attached to, the clocks of tasks, breaches and what was done about them. Functions and triggers are beside it. */
export class Migration0008Slas extends Migration {
  override up(): void {
    for (const statement of [...COLUMNS, ...TABLES, ...KEYS, ...RESIZES, ...SLA_CLOCKS, ...SLA_HOOKS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...SLA_HOOKS_DOWN, ...SLA_CLOCKS_DOWN, ...RESIZES_DOWN, ...DROPS]) this.addSql(statement);
  }
}

const times = `"created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now()`;
const BOUND = ['pools', 'queues', 'templates', 'schedules'];

const COLUMNS = [
  `alter table "slas" add "user_id" bigint null, add "description" text not null default '', add "cooldown_s" int not null default 0, add "enabled_at" timestamptz(3) not null default now(), add "deleted_at" timestamptz(3) null`,
  `alter table "slas" drop constraint "slas_name_key"`,
  `create unique index slas_name_key on slas (name) where deleted_at is null`,
  `alter table "slas" add constraint "slas_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete no action`,
  `alter table "sla_versions" add "cooldown_s" int not null default 0`,
  `alter table "schedules" add "sla_id" int null, add "resume_at" timestamptz(3) null, add "held_by" text null`,
  `alter table "schedules" add constraint "schedules_sla_id_foreign" foreign key ("sla_id") references "slas" ("id") on delete no action`,
  `create index idx_schedules_resume on schedules (resume_at) where resume_at is not null`,
  `alter table "queues" add "resume_at" timestamptz(3) null, add "held_by" text null`,
  `create index idx_queues_resume on queues (resume_at) where resume_at is not null`,
  ...BOUND.map((table) => `alter table "${table}" add "sla_since" timestamptz(3) null`),
  `alter table "tasks" add "sla_id" int null, add "caused_by" uuid null, add "sla_depth" int not null default 0, add "nominal_at" timestamptz(3) null, add "stop_as" text null`,
  `alter table "tasks" add constraint "tasks_sla_id_foreign" foreign key ("sla_id") references "slas" ("id") on delete no action`,
  `alter table "tasks" add constraint "tasks_stop_as_check" check ("stop_as" in ('failed', 'retry'))`,
  `create index idx_tasks_failed on tasks (completed_at) where status = 'failed'`,
  `alter table "template_runtimes" add "p95_s" float8 null`,
  `alter table "instances" add "admitted_at" timestamptz(3) null`,
  `alter table "instances" alter "admitted_at" set default clock_timestamp()`,
];

const TABLES = [
  `create table "sla_conditions" ("id" bigserial primary key, "sla_version_id" bigint not null, "path" text not null, "parent" text null, "name" text not null, "subject" text not null, "kind" text not null, "limit_ms" bigint null, "run_quantile" int null, "run_factor" float8 null, "min_samples" int null, "stages" int[] not null, "pause_aware" boolean not null default false, "on_failure" text not null default 'void', "deadline_at" timestamptz(3) null, "max_attempts" int null, "assertion" text null, "of_path" text null, "margin_ms" bigint null, "tree" jsonb null, "spec" jsonb not null, "fingerprint" text not null, ${times})`,
  `create table "sla_deadlines" ("condition_id" bigint not null, "at" timestamptz(3) not null, ${times}, primary key ("condition_id", "at"))`,
  `create table "sla_actions" ("sla_version_id" bigint not null, "no" int not null, "condition" text null, "stage" int not null, "kind" text not null, "args" jsonb not null, ${times}, primary key ("sla_version_id", "no"))`,
  `create table "task_slas" ("task_id" uuid not null, "sla_id" int not null, "sla_version_id" bigint not null, "scope" text not null, "eligible_at" timestamptz(3) not null, ${times}, primary key ("task_id", "sla_id"))`,
  `create index "idx_task_slas_sla" on "task_slas" ("sla_id", "task_id")`,
  `create table "sla_clocks" ("id" bigserial primary key, "task_id" uuid not null, "sla_id" int not null, "condition_id" bigint not null, "kind" text not null, "attempt" int not null, "eligible_at" timestamptz(3) not null, "epoch" int not null, "started_at" timestamptz(3) not null, "limit_ms" bigint null, "due_at" timestamptz(3) null, "stage" int not null default 0, "next_at" timestamptz(3) null, "paused_at" timestamptz(3) null, "paused_ms" bigint not null default '0', "broken_at" timestamptz(3) null, "stopped_at" timestamptz(3) null, "state" text not null default 'running', "note" text null, ${times})`,
  `alter table "sla_clocks" add constraint "sla_clocks_epoch_key" unique ("task_id", "condition_id", "epoch")`,
  `create index idx_sla_clocks_due on sla_clocks (next_at) where next_at is not null`,
  `create index idx_sla_clocks_open on sla_clocks (sla_id, kind) where stopped_at is null`,
  `create index idx_sla_clocks_paused on sla_clocks (task_id) where paused_at is not null and stopped_at is null`,
  `create index "idx_sla_clocks_started" on "sla_clocks" ("sla_id", "started_at")`,
  `create table "breaches" ("id" uuid not null default uuidv7(), "sla_id" int not null, "sla_version_id" bigint not null, "path" text not null, "condition" text not null, "kind" text not null, "stage" int not null, "epoch" int not null, "subject_type" text not null, "subject_id" text not null, "scope" text not null, "task_id" uuid null, "due_at" timestamptz(3) not null, "fired_at" timestamptz(3) not null default now(), "detail" jsonb not null default '{}', "state" text not null default 'open', "acknowledged_at" timestamptz(3) null, "acknowledged_by" text null, "snoozed_until" timestamptz(3) null, "resolved_at" timestamptz(3) null, "resolved_by" text null, "note" text null, "cooled" boolean null, "lease_at" timestamptz(3) null, "workflow_at" timestamptz(3) null, "marked_runid" uuid null, "seq" bigint null, ${times}, primary key ("id"))`,
  `alter table "breaches" add constraint "breaches_once_key" unique ("sla_version_id", "subject_type", "subject_id", "path", "stage", "epoch")`,
  `create index "idx_breaches_task" on "breaches" ("task_id")`,
  `create index "idx_breaches_sla" on "breaches" ("sla_id", "id")`,
  `create index "idx_breaches_created" on "breaches" ("created_at", "id")`,
  `create index "idx_breaches_scope" on "breaches" ("sla_id", "scope", "fired_at")`,
  `create index idx_breaches_open on breaches (sla_id) where state <> 'resolved'`,
  `create index idx_breaches_unstarted on breaches (id) where workflow_at is null`,
  `create index idx_breaches_unpublished on breaches (id) where seq is null`,
  `create index idx_breaches_snoozed on breaches (snoozed_until) where state = 'snoozed'`,
  `create unique index breaches_seq_key on breaches (seq) where seq is not null`,
  `insert into feeds (name) values ('breaches')`,
  `create table "breach_actions" ("breach_id" uuid not null, "no" int not null, "kind" text not null, "args" jsonb not null, "state" text not null default 'waiting', "tries" int not null default 0, "code" text null, "detail" text null, "result" jsonb null, "target" text null, "delivery_id" uuid null, "started_at" timestamptz(3) null, "ended_at" timestamptz(3) null, ${times}, primary key ("breach_id", "no"))`,
  `create index idx_breach_actions_waiting on breach_actions (breach_id) where state = 'waiting'`,
  `create index idx_breach_actions_target on breach_actions (target, ended_at) where target is not null and state = 'done'`,
  `create table "sla_watches" ("id" bigserial primary key, "sla_id" int not null, "sla_version_id" bigint not null, "condition_id" bigint not null, "path" text not null, "name" text not null, "subject_type" text not null, "subject_id" text not null, "fingerprint" text not null, "state" text not null default 'ok', "since_at" timestamptz(3) null, "value" float8 null, "epoch" int not null default 0, "breach_id" uuid null, "memory" jsonb not null default '{}', "bound_at" timestamptz(3) not null default now(), "next_at" timestamptz(3) not null default now(), ${times})`,
  `alter table "sla_watches" add constraint "sla_watches_subject_key" unique ("sla_id", "name", "subject_type", "subject_id")`,
  `create index "idx_sla_watches_due" on "sla_watches" ("next_at")`,
];

const KEYS = [
  `alter table "sla_conditions" add constraint "sla_conditions_sla_version_id_foreign" foreign key ("sla_version_id") references "sla_versions" ("id")`,
  `alter table "sla_conditions" add constraint "sla_conditions_path_key" unique ("sla_version_id", "path")`,
  `alter table "sla_conditions" add constraint "sla_conditions_subject_check" check ("subject" in ('task', 'group'))`,
  `alter table "sla_conditions" add constraint "sla_conditions_on_failure_check" check ("on_failure" in ('void', 'keep', 'breach'))`,
  `alter table "sla_deadlines" add constraint "sla_deadlines_condition_id_foreign" foreign key ("condition_id") references "sla_conditions" ("id")`,
  `alter table "sla_actions" add constraint "sla_actions_sla_version_id_foreign" foreign key ("sla_version_id") references "sla_versions" ("id")`,
  `alter table "task_slas" add constraint "task_slas_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on update cascade on delete cascade`,
  `alter table "task_slas" add constraint "task_slas_sla_id_foreign" foreign key ("sla_id") references "slas" ("id") on update cascade on delete cascade`,
  `alter table "task_slas" add constraint "task_slas_sla_version_id_foreign" foreign key ("sla_version_id") references "sla_versions" ("id")`,
  `alter table "sla_clocks" add constraint "sla_clocks_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on delete cascade`,
  `alter table "sla_clocks" add constraint "sla_clocks_sla_id_foreign" foreign key ("sla_id") references "slas" ("id")`,
  `alter table "sla_clocks" add constraint "sla_clocks_condition_id_foreign" foreign key ("condition_id") references "sla_conditions" ("id")`,
  `alter table "sla_clocks" add constraint "sla_clocks_state_check" check ("state" in ('running', 'inactive', 'met', 'broken', 'void'))`,
  `alter table "sla_clocks" add constraint "sla_clocks_stop_check" check ((stopped_at is null or next_at is null) and (state in ('met', 'void')) <= (stopped_at is not null))`,
  `alter table "breaches" add constraint "breaches_sla_id_foreign" foreign key ("sla_id") references "slas" ("id")`,
  `alter table "breaches" add constraint "breaches_sla_version_id_foreign" foreign key ("sla_version_id") references "sla_versions" ("id")`,
  `alter table "breaches" add constraint "breaches_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on delete set null`,
  `alter table "breaches" add constraint "breaches_state_check" check ("state" in ('open', 'acknowledged', 'snoozed', 'resolved'))`,
  `alter table "breaches" add constraint "breaches_subject_type_check" check ("subject_type" in ('task', 'pool', 'queue', 'template', 'schedule'))`,
  `alter table "breaches" add constraint "breaches_life_check" check ((state = 'resolved') = (resolved_at is not null) and (state = 'snoozed') = (snoozed_until is not null))`,
  `create index idx_tasks_caused on tasks (caused_by) where caused_by is not null`,
  `alter table "breach_actions" add constraint "breach_actions_breach_id_foreign" foreign key ("breach_id") references "breaches" ("id") on delete cascade`,
  `alter table "breach_actions" add constraint "breach_actions_delivery_id_foreign" foreign key ("delivery_id") references "deliveries" ("id") on delete set null`,
  `create index idx_breach_actions_delivery on breach_actions (delivery_id) where delivery_id is not null`,
  `alter table "breach_actions" add constraint "breach_actions_state_check" check ("state" in ('waiting', 'done', 'skipped', 'suppressed', 'failed'))`,
  `alter table "breach_actions" add constraint "breach_actions_end_check" check ((state = 'waiting') = (ended_at is null))`,
  `alter table "sla_watches" add constraint "sla_watches_sla_id_foreign" foreign key ("sla_id") references "slas" ("id")`,
  `alter table "sla_watches" add constraint "sla_watches_sla_version_id_foreign" foreign key ("sla_version_id") references "sla_versions" ("id")`,
  `alter table "sla_watches" add constraint "sla_watches_condition_id_foreign" foreign key ("condition_id") references "sla_conditions" ("id")`,
  `alter table "sla_watches" add constraint "sla_watches_breach_id_foreign" foreign key ("breach_id") references "breaches" ("id") on delete set null`,
  `alter table "sla_watches" add constraint "sla_watches_state_check" check ("state" in ('ok', 'pending', 'broken', 'clearing'))`,
  `alter table "sla_watches" add constraint "sla_watches_subject_type_check" check ("subject_type" in ('pool', 'queue', 'template', 'schedule'))`,
];

const DROPS = [
  ...['sla_watches', 'breach_actions', 'breaches', 'sla_clocks', 'task_slas', 'sla_actions', 'sla_deadlines', 'sla_conditions'].map(
    (table) => `drop table if exists "${table}" cascade`,
  ),
  `delete from feeds where name = 'breaches'`,
  `drop index if exists idx_tasks_failed`,
  `alter table "tasks" drop column "sla_id", drop column "caused_by", drop column "sla_depth", drop column "nominal_at", drop column "stop_as"`,
  `alter table "instances" drop column "admitted_at"`,
  `alter table "template_runtimes" drop column "p95_s"`,
  ...BOUND.map((table) => `alter table "${table}" drop column "sla_since"`),
  `alter table "queues" drop column "resume_at", drop column "held_by"`,
  `alter table "schedules" drop column "sla_id", drop column "resume_at", drop column "held_by"`,
  `alter table "sla_versions" drop column "cooldown_s"`,
  `drop index if exists slas_name_key`,
  `delete from slas where deleted_at is not null and not exists (select 1 from sla_versions v where v.sla_id = slas.id)`,
  `update slas set name = name || ' (deleted ' || id || ')' where deleted_at is not null`,
  `alter table "slas" drop column "user_id", drop column "description", drop column "cooldown_s", drop column "enabled_at", drop column "deleted_at"`,
  `alter table "slas" add constraint "slas_name_key" unique ("name")`,
];
