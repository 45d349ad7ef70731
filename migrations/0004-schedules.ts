import { Migration } from '@mikro-orm/migrations';

/** Schedules, their ledger of occurrences, and backfills; what a task was submitted by. */
export class Migration0004Schedules extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...GUARDS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of DROPS) this.addSql(statement);
  }
}

const TABLES = [
  `create table "schedules" ("id" uuid not null default uuidv7(), "name" text not null, "user_id" bigint not null, "status" text not null default 'active', "status_reason" text null, "cron" text not null, "seconds" boolean not null default false, "timezone" text not null default 'UTC', "dst_gap" text not null default 'shift', "dst_overlap" text not null default 'first', "template" text not null, "template_version" int null, "parameters" jsonb not null default '{}', "queue" text null, "priority" int null, "timeout" int null, "tags" jsonb not null default '{}', "overlap" text not null default 'skip', "overlap_max" int not null default 100, "catchup" text not null default 'last', "catchup_window_s" int not null default 86400, "catchup_max" int not null default 100, "jitter_s" int not null default 0, "start_at" timestamptz(3) null, "end_at" timestamptz(3) null, "max_runs" int null, "runs" int not null default 0, "cursor_at" timestamptz(3) not null default now(), "checked_at" timestamptz(3) not null default now(), "next_at" timestamptz(3) null, "due_at" timestamptz(3) null, "mirror_hash" text null, "deleted_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index idx_schedules_due on schedules (due_at) where status = 'active' and deleted_at is null`,
  `create unique index schedules_user_name_key on schedules (user_id, name) where deleted_at is null`,
  `create index idx_schedules_unmirrored on schedules (id) where mirror_hash is null`,
  `create table "backfills" ("id" uuid not null default uuidv7(), "schedule_id" uuid not null, "user_id" bigint not null, "status" text not null default 'running', "from_at" timestamptz(3) not null, "until_at" timestamptz(3) not null, "cursor_at" timestamptz(3) not null, "max_active" int not null, "total" int not null, "submitted" int not null default 0, "failed" int not null default 0, "completed_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index "idx_backfills_schedule" on "backfills" ("schedule_id", "id")`,
  `create index idx_backfills_running on backfills (id) where status = 'running'`,
  `create table "occurrences" ("id" bigserial primary key, "schedule_id" uuid not null, "nominal_at" timestamptz(3) not null, "nominal_local" text not null, "ordinal" int not null default 1, "outcome" text not null, "task_id" uuid null, "backfill_id" uuid null, "count" int not null default 1, "until_at" timestamptz(3) null, "note" text null, "fired_at" timestamptz(3) not null default now(), "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create index "idx_occurrences_task" on "occurrences" ("task_id")`,
  `create index idx_occurrences_queued on occurrences (schedule_id, nominal_at) where outcome = 'queued'`,
  `alter table "occurrences" add constraint "occurrences_schedule_nominal_key" unique ("schedule_id", "nominal_at")`,
  `alter table "tasks" add "source_id" uuid null`,
  `create index idx_tasks_source_live on tasks (source_id) where source_id is not null and status in ('pending', 'queued', 'processing')`,
  `alter table "schedules" add constraint "schedules_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "schedules" add constraint "schedules_range_check" check (priority >= 0 and priority <= 100 and timeout > 0 and overlap_max >= 1 and catchup_window_s >= 0 and catchup_max >= 0 and jitter_s >= 0 and max_runs >= 1 and runs >= 0)`,
  `alter table "schedules" add constraint "schedules_status_check" check ("status" in ('active', 'paused', 'ended'))`,
  `alter table "schedules" add constraint "schedules_dst_gap_check" check ("dst_gap" in ('shift', 'skip'))`,
  `alter table "schedules" add constraint "schedules_dst_overlap_check" check ("dst_overlap" in ('first', 'both', 'last'))`,
  `alter table "schedules" add constraint "schedules_overlap_check" check ("overlap" in ('skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'))`,
  `alter table "schedules" add constraint "schedules_catchup_check" check ("catchup" in ('none', 'last', 'all'))`,
  `alter table "backfills" add constraint "backfills_schedule_id_foreign" foreign key ("schedule_id") references "schedules" ("id")`,
  `alter table "backfills" add constraint "backfills_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "backfills" add constraint "backfills_range_check" check (max_active >= 1 and total >= 0 and submitted >= 0 and failed >= 0 and from_at <= until_at)`,
  `alter table "backfills" add constraint "backfills_status_check" check ("status" in ('running', 'completed', 'cancelled'))`,
  `alter table "occurrences" add constraint "occurrences_schedule_id_foreign" foreign key ("schedule_id") references "schedules" ("id")`,
  `alter table "occurrences" add constraint "occurrences_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on delete set null`,
  `alter table "occurrences" add constraint "occurrences_backfill_id_foreign" foreign key ("backfill_id") references "backfills" ("id") on delete no action`,
  `alter table "occurrences" add constraint "occurrences_count_check" check (count >= 1 and (count = 1) = (until_at is null))`,
  `alter table "occurrences" add constraint "occurrences_outcome_check" check ("outcome" in ('ran', 'queued', 'skipped_overlap', 'skipped_catchup', 'skipped_calendar', 'dst_shifted', 'dst_deduped', 'missed', 'failed_submit'))`,
];

/** A fire that ran never changes what it was; one that did not may only become one that ran, later, through a backfill. */
const guard = `create function guard_occurrence() returns trigger language plpgsql as $$
begin
  if (new.schedule_id, new.nominal_at, new.count) is distinct from (old.schedule_id, old.nominal_at, old.count) then
    raise exception 'occurrence %: which fire it is never changes', old.id using errcode = '23514', constraint = 'occurrences_identity';
  end if;
  if new.outcome <> old.outcome and (old.outcome in ('ran', 'dst_shifted', 'dst_deduped', 'skipped_calendar')
    or (old.outcome <> 'queued' and (new.backfill_id is null or new.outcome not in ('ran', 'failed_submit')))) then
    raise exception 'occurrence %: % cannot become %', old.id, old.outcome, new.outcome using errcode = '23514', constraint = 'occurrences_final';
  end if;
  new.updated_at := now();
  return new;
end $$`;

const GUARDS = [
  guard,
  'create trigger guard_occurrence before update on occurrences for each row execute function guard_occurrence()',
  'create trigger refuse_delete before delete on occurrences for each row execute function refuse_change()',
  'create trigger set_updated_at before update on schedules for each row execute function set_updated_at()',
  'create trigger set_updated_at before update on backfills for each row execute function set_updated_at()',
];

const DROPS = [
  'drop table if exists "occurrences" cascade',
  'drop table if exists "backfills" cascade',
  'drop table if exists "schedules" cascade',
  'drop function if exists guard_occurrence()',
  'drop index if exists idx_tasks_source_live',
  'alter table "tasks" drop column if exists "source_id"',
];
