import { Migration } from '@mikro-orm/migrations';
import { CLOCKS, DEPENDENTS, DEPENDENTS_DOWN } from './0003-triggers.ts';

/** Hold, clocks, grace, dependencies between tasks and bulk actions. Triggers are beside it. */
export class Migration0003Controls extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...COLUMNS, ...KEYS, ...CLOCKS, ...DEPENDENTS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...DEPENDENTS_DOWN, ...DROPS]) this.addSql(statement);
  }
}

const TABLES = [
  `create table "task_dependencies" ("task_id" uuid not null, "upstream_id" uuid not null, "condition" text not null, "state" text not null default 'open', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("task_id", "upstream_id"))`,
  `create index "idx_task_dependencies_upstream" on "task_dependencies" ("upstream_id")`,
  `create table "bulk_actions" ("id" uuid not null default uuidv7(), "user_id" bigint not null, "action" text not null, "filter" jsonb not null, "args" jsonb not null, "status" text not null default 'running', "total" int not null, "request_id" text null, "completed_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index idx_bulk_actions_running on bulk_actions (id) where status = 'running'`,
  `create index "idx_bulk_actions_user" on "bulk_actions" ("user_id", "id")`,
  `create table "bulk_action_items" ("bulk_action_id" uuid not null, "task_id" uuid not null, "status" text not null default 'waiting', "code" text null, "detail" text null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("bulk_action_id", "task_id"))`,
  `create index "idx_bulk_action_items_task" on "bulk_action_items" ("task_id")`,
  `create index idx_bulk_action_items_waiting on bulk_action_items (bulk_action_id, task_id) where status = 'waiting'`,
];

const COLUMNS = [
  `alter table "template_versions" add "queue_timeout_s" int null, add "start_timeout_s" int null, add "total_timeout_s" int null`,
  `alter table "template_versions" add constraint "template_versions_clocks_check" check (queue_timeout_s > 0 and start_timeout_s > 0 and total_timeout_s > 0)`,
  `alter table "tasks" add "held_at" timestamptz(3) null, add "waits_for" int not null default 0, add "queue_timeout_s" int null, add "start_timeout_s" int null, add "total_timeout_s" int null, add "start_timeouts" int not null default 0, add "due_at" timestamptz(3) null`,
  `create index idx_tasks_overdue on tasks (due_at) where status in ('pending', 'queued') and due_at is not null`,
  `alter table "tasks" add constraint "tasks_controls_check" check (waits_for >= 0 and start_timeouts >= 0 and queue_timeout_s > 0 and start_timeout_s > 0 and total_timeout_s > 0)`,
  `alter table "instances" add "due_at" timestamptz(3) null, add "cancel_grace_s" int null, add "stop_by" timestamptz(3) null`,
  `create index idx_instances_stop_by on instances (stop_by) where status in ('starting', 'running') and stop_by is not null`,
];

const KEYS = [
  `alter table "task_dependencies" add constraint "task_dependencies_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on update cascade on delete cascade`,
  `alter table "task_dependencies" add constraint "task_dependencies_upstream_id_foreign" foreign key ("upstream_id") references "tasks" ("uuid") on update cascade on delete cascade`,
  `alter table "task_dependencies" add constraint "task_dependencies_order_check" check (upstream_id < task_id)`,
  `alter table "task_dependencies" add constraint "task_dependencies_condition_check" check ("condition" in ('succeeded', 'done'))`,
  `alter table "task_dependencies" add constraint "task_dependencies_state_check" check ("state" in ('open', 'met', 'broken'))`,
  `alter table "bulk_actions" add constraint "bulk_actions_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "bulk_actions" add constraint "bulk_actions_action_check" check ("action" in ('cancel', 'retry', 'hold', 'release', 'set_priority', 'move_queue'))`,
  `alter table "bulk_actions" add constraint "bulk_actions_status_check" check ("status" in ('running', 'completed', 'cancelled'))`,
  `alter table "bulk_action_items" add constraint "bulk_action_items_bulk_action_id_foreign" foreign key ("bulk_action_id") references "bulk_actions" ("id") on update cascade on delete cascade`,
  `alter table "bulk_action_items" add constraint "bulk_action_items_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on update cascade on delete cascade`,
  `alter table "bulk_action_items" add constraint "bulk_action_items_status_check" check ("status" in ('waiting', 'done', 'failed', 'skipped'))`,
];

const DROPS = [
  `drop table if exists "bulk_action_items" cascade`,
  `drop table if exists "bulk_actions" cascade`,
  `drop table if exists "task_dependencies" cascade`,
  `drop index if exists "idx_instances_stop_by"`,
  `alter table "instances" drop column "due_at", drop column "cancel_grace_s", drop column "stop_by"`,
  `drop index if exists "idx_tasks_overdue"`,
  `alter table "tasks" drop column "held_at", drop column "waits_for", drop column "queue_timeout_s", drop column "start_timeout_s", drop column "total_timeout_s", drop column "start_timeouts", drop column "due_at"`,
  `alter table "template_versions" drop column "queue_timeout_s", drop column "start_timeout_s", drop column "total_timeout_s"`,
];
