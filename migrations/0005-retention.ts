import { Migration } from '@mikro-orm/migrations';

/** Runs of the retention: what was asked for, by whom, and how many rows it has removed so far. */
export class Migration0005Retention extends Migration {
  override up(): void {
    for (const statement of TABLES) this.addSql(statement);
  }

  override down(): void {
    this.addSql(`drop table if exists "retention_runs" cascade`);
  }
}

const TABLES = [
  `create table "retention_runs" ("id" bigserial primary key, "trigger" text not null, "status" text not null default 'requested', "scheduled_for" timestamptz(3) null, "requested_by" text not null, "as_of" timestamptz(3) not null default now(), "removed" jsonb not null default '{}', "error" text null, "started_at" timestamptz(3) null, "finished_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `alter table "retention_runs" add constraint "retention_runs_scheduled_for_key" unique ("scheduled_for")`,
  `alter table "retention_runs" add constraint "retention_runs_end_check" check ((status in ('completed', 'failed')) = (finished_at is not null))`,
  `alter table "retention_runs" add constraint "retention_runs_trigger_check" check ("trigger" in ('schedule', 'request'))`,
  `alter table "retention_runs" add constraint "retention_runs_status_check" check ("status" in ('requested', 'running', 'completed', 'failed'))`,
  `create unique index retention_runs_one_requested on retention_runs (trigger) where status = 'requested' and trigger = 'request'`,
  `create trigger set_updated_at before update on retention_runs for each row execute function set_updated_at()`,
];
