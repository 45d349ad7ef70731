import { Migration } from '@mikro-orm/migrations';

/** What people and other systems are told: notifications, deliveries to the outside, and the order in which readers of a stream see changes. */
export class Migration0007Deliveries extends Migration {
  override up(): void {
    for (const statement of TABLES) this.addSql(statement);
  }

  override down(): void {
    for (const table of ['delivery_lanes', 'deliveries', 'notifications', 'feeds']) this.addSql(`drop table if exists "${table}" cascade`);
  }
}

const times = `"created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now()`;

const TABLES = [
  `create table "feeds" ("name" text not null, "last_seq" bigint not null default '0', ${times}, primary key ("name"))`,
  `insert into feeds (name) values ('notifications')`,
  `create table "notifications" ("id" bigserial primary key, "key" text not null, "user_id" bigint not null, "severity" text not null default 'info', "source_type" text not null, "source_id" text not null, "title" text not null, "text" text not null default '', "data" jsonb not null default '{}', "read_at" timestamptz(3) null, "seq" bigint null, ${times})`,
  `alter table "notifications" add constraint "notifications_key_user_key" unique ("key", "user_id")`,
  `alter table "notifications" add constraint "notifications_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "notifications" add constraint "notifications_severity_check" check ("severity" in ('info', 'warning', 'critical'))`,
  `create index "idx_notifications_user" on "notifications" ("user_id", "id")`,
  `create index "idx_notifications_created" on "notifications" ("created_at", "id")`,
  `create unique index notifications_seq_key on notifications (seq) where seq is not null`,
  `create index idx_notifications_unpublished on notifications (id) where seq is null`,
  `create table "deliveries" ("id" uuid not null default uuidv7(), "key" text not null, "channel" text not null, "user_id" bigint not null, "source_type" text not null, "source_id" text not null, "lane" text not null, "target" jsonb not null, "message" jsonb not null, "state" text not null default 'waiting', "attempts" int not null default 0, "next_at" timestamptz(3) null default now(), "give_up_at" timestamptz(3) not null, "code" text null, "detail" text null, "ended_at" timestamptz(3) null, ${times}, primary key ("id"))`,
  `alter table "deliveries" add constraint "deliveries_key_key" unique ("key")`,
  `alter table "deliveries" add constraint "deliveries_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "deliveries" add constraint "deliveries_channel_check" check ("channel" in ('webhook', 'email'))`,
  `alter table "deliveries" add constraint "deliveries_state_check" check ("state" in ('waiting', 'delivered', 'dead'))`,
  `alter table "deliveries" add constraint "deliveries_end_check" check ((state = 'waiting') = (next_at is not null) and (state = 'waiting') = (ended_at is null) and attempts >= 0)`,
  `create index "idx_deliveries_user" on "deliveries" ("user_id", "id")`,
  `create index "idx_deliveries_source" on "deliveries" ("source_type", "source_id")`,
  `create index "idx_deliveries_created" on "deliveries" ("created_at", "id")`,
  `create index idx_deliveries_waiting on deliveries (lane, next_at) where state = 'waiting'`,
  `create table "delivery_lanes" ("name" text not null, "failures" int not null default 0, "paused_until" timestamptz(3) null, ${times}, primary key ("name"))`,
  `alter table "delivery_lanes" add constraint "delivery_lanes_failures_check" check (failures >= 0)`,
  ...['feeds', 'notifications', 'deliveries', 'delivery_lanes'].map(
    (table) => `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`,
  ),
];
