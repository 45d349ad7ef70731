import { Migration } from '@mikro-orm/migrations';
import { ADMISSION_GUARDS, ADMISSION_GUARDS_DOWN } from './0002-guards.ts';

/** Head-of-line policies, concurrency keys, numbered grants, run times and recorded decisions. */
export class Migration0002Admission extends Migration {
  override up(): void {
    for (const statement of [...CHANGES, ...WAITING('parked, '), ...FIRST_TOTALS, ...ADMISSION_GUARDS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...ADMISSION_GUARDS_DOWN, ...UNDO, ...WAITING('')]) this.addSql(statement);
  }
}

const CHANGES = [
  `create table "concurrency_keys" ("key" text not null, "capacity" int not null, "on_limit" text not null, "held" int not null default 0, "dirty" boolean not null default true, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("key"))`,
  `create index idx_concurrency_keys_dirty on concurrency_keys (key) where dirty`,
  `create table "pool_totals" ("id" bigserial primary key, "pool" text not null, "from_seq" bigint not null, "total_cpu" numeric(12,3) not null, "total_memory" bigint not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create index "idx_pool_totals_pool" on "pool_totals" ("pool", "from_seq", "id")`,
  `create table "template_runtimes" ("template" text not null, "p50_s" double precision not null, "p90_s" double precision not null, "samples" int not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("template"))`,
  `create table "admission_decisions" ("task_id" uuid not null, "gates" jsonb not null, "decided_at" timestamptz(3) not null default now(), "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("task_id"))`,
  `alter table "pools" add "seq" bigint not null default '0'`,
  `alter table "queues" add "policy" text not null default 'backfill', add "reserve_after_s" int not null default 120, add "strict_priority" boolean not null default false`,
  `alter table "queues" add constraint "queues_reserve_check" check (reserve_after_s >= 0)`,
  `alter table "queues" add constraint "queues_policy_check" check ("policy" in ('backfill', 'strict', 'best_effort'))`,
  `alter table "template_versions" add "concurrency" jsonb null`,
  `alter table "tasks" add "concurrency_key" text null, add "parked" boolean not null default false`,
  `create index idx_tasks_key on tasks (concurrency_key, parked, vtime, uuid) where concurrency_key is not null and status in ('queued', 'processing')`,
  `create index idx_tasks_completed on tasks (template, completed_at) where status = 'completed'`,
  `alter table "grants" add "acquire_seq" bigint null, add "release_seq" bigint null`,
  `alter table "concurrency_keys" add constraint "concurrency_keys_held_check" check (held >= 0 and capacity >= 1)`,
  `alter table "concurrency_keys" add constraint "concurrency_keys_on_limit_check" check ("on_limit" in ('queue', 'reject', 'cancel_newest', 'cancel_running'))`,
  `alter table "pool_totals" add constraint "pool_totals_pool_foreign" foreign key ("pool") references "pools" ("name") on delete cascade`,
  `alter table "template_runtimes" add constraint "template_runtimes_template_foreign" foreign key ("template") references "templates" ("name") on update no action on delete cascade`,
  `alter table "admission_decisions" add constraint "admission_decisions_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on update no action on delete cascade`,
];

const WAITING = (parked: string): string[] => [
  `drop index if exists idx_tasks_waiting`,
  `create index idx_tasks_waiting on tasks (queue, ${parked}need, vtime, uuid) where status = 'queued'`,
];

const FIRST_TOTALS = [
  `insert into pool_totals (pool, from_seq, total_cpu, total_memory) select name, 0, total_cpu, total_memory from pools`,
];

const UNDO = [
  `drop table if exists "admission_decisions" cascade`,
  `drop table if exists "template_runtimes" cascade`,
  `drop table if exists "pool_totals" cascade`,
  `drop table if exists "concurrency_keys" cascade`,
  `drop index "idx_tasks_key"`,
  `drop index "idx_tasks_completed"`,
  `drop index "idx_tasks_waiting"`,
  `alter table "grants" drop column "acquire_seq", drop column "release_seq"`,
  `alter table "tasks" drop column "concurrency_key", drop column "parked"`,
  `alter table "template_versions" drop column "concurrency"`,
  `alter table "queues" drop constraint "queues_reserve_check"`,
  `alter table "queues" drop column "policy", drop column "reserve_after_s", drop column "strict_priority"`,
  `alter table "pools" drop column "seq"`,
];
