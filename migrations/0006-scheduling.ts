import { Migration } from '@mikro-orm/migrations';
import { FUNCTIONS, FUNCTIONS_DOWN } from './0006-functions.ts';
import { LOCKS, LOCKS_DOWN } from './0006-locks.ts';

/** One order of locks, token buckets, shares of users, deadlines. Functions and triggers are beside it. */
export class Migration0006Scheduling extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...COLUMNS, ...WAITING('parked, throttled, '), ...LOCKS, ...FUNCTIONS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...FUNCTIONS_DOWN, ...LOCKS_DOWN, ...DROPS, ...WAITING('parked, ')]) this.addSql(statement);
  }
}

const TABLES = [
  `create table "rate_buckets" ("name" text not null, "burst" int not null, "interval_us" bigint not null, "version" bigint null, "full_us" bigint not null default '0', "taken_us" bigint not null default '0', "shaped_us" bigint not null default '0', "ready_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("name"))`,
  `create index idx_rate_buckets_ready on rate_buckets (ready_at) where ready_at is not null`,
  `create index idx_rate_buckets_idle on rate_buckets (full_us) where ready_at is null`,
  `alter table "rate_buckets" add constraint "rate_buckets_shape_check" check (burst >= 1 and interval_us >= 1)`,
  `alter table "rate_buckets" add constraint "rate_buckets_tokens_check" check (full_us <= taken_us + burst * interval_us)`,
  `create table "user_shares" ("queue" text not null, "user_id" bigint not null, "usage" double precision not null default 0, "as_of" timestamptz(3) not null default now(), "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("queue", "user_id"))`,
  `create index "idx_user_shares_as_of" on "user_shares" ("as_of")`,
  `alter table "user_shares" add constraint "user_shares_queue_foreign" foreign key ("queue") references "queues" ("name") on update cascade on delete cascade`,
  `alter table "user_shares" add constraint "user_shares_user_id_foreign" foreign key ("user_id") references "users" ("id") on update cascade on delete cascade`,
];

const COLUMNS = [
  `alter table "queues" add "rate_limit" jsonb null, add "fairness" text not null default 'none'`,
  `alter table "queues" add constraint "queues_fairness_check" check ("fairness" in ('none', 'user'))`,
  `alter table "template_versions" add "rate_limit" jsonb null`,
  `alter table "tasks" add "rate_key" text null, add "throttled" boolean not null default false, add "deadline" timestamptz(3) null, add "losses" int not null default 0`,
  `create index idx_tasks_rate on tasks (rate_key, throttled, queue, need, vtime, uuid) where rate_key is not null and status = 'queued'`,
  `alter table "tasks" add constraint "tasks_losses_check" check (losses >= 0)`,
];

const WAITING = (before_need: string): string[] => [
  `drop index if exists idx_tasks_waiting`,
  `create index idx_tasks_waiting on tasks (queue, ${before_need}need, vtime, uuid) where status = 'queued'`,
];

const DROPS = [
  `drop table if exists "user_shares" cascade`,
  `drop table if exists "rate_buckets" cascade`,
  `drop index if exists "idx_tasks_waiting"`,
  `drop index if exists "idx_tasks_rate"`,
  `alter table "tasks" drop column "rate_key", drop column "throttled", drop column "deadline", drop column "losses"`,
  `alter table "template_versions" drop column "rate_limit"`,
  `alter table "queues" drop column "rate_limit", drop column "fairness"`,
];
