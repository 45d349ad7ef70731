import { Migration } from '@mikro-orm/migrations';
import { QUOTA, QUOTA_DOWN, SETTLE_BEFORE, SETTLE_NOW } from './0013-quota.ts';
import { EVENTS, EVENTS_DOWN } from './0013-triggers.ts';

/** Videos: their columns of `tasks`, scripts, videos, files, events, daily statistics, and the ledger of the quota. */
export class Migration0013Video extends Migration {
  override up(): void {
    for (const statement of [...COLUMNS, ...TABLES, ...QUOTA, SETTLE_NOW, ...EVENTS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...EVENTS_DOWN, SETTLE_BEFORE, ...QUOTA_DOWN]) this.addSql(statement);
    for (const table of ['video_events', 'video_files', 'videos', 'scripts', 'statistics', 'quota_ledger']) {
      this.addSql(`drop table if exists "${table}" cascade`);
    }
    this.addSql('drop index if exists idx_tasks_video, idx_tasks_video_user');
    for (const column of ['prompt', 'error_message', 'duration', 'total_scenes', 'completed_scenes', 'final_video_path']) {
      this.addSql(`alter table "tasks" drop column if exists "${column}"`);
    }
    this.addSql('alter table "users" drop column if exists "storage_limit_mb"');
  }
}

/** What follows from other columns is computed when it is read, and costs other tasks nothing. */
const COLUMNS = [
  `alter table "tasks" add column "total_scenes" int not null default 0, add column "completed_scenes" int not null default 0, add column "final_video_path" varchar(500) null`,
  `alter table "tasks" add column "prompt" text generated always as (case when type = 'video' then parameters ->> 'prompt' end) virtual`,
  `alter table "tasks" add column "error_message" text generated always as (error ->> 'message') virtual`,
  `alter table "tasks" add column "duration" double precision generated always as (extract(epoch from completed_at - started_at)::float8) virtual`,
  `alter table "tasks" add constraint "tasks_scenes_check" check (completed_scenes >= 0 and completed_scenes <= total_scenes)`,
  `create index idx_tasks_video on tasks (created_at, uuid) where type = 'video'`,
  `create index idx_tasks_video_user on tasks (user_id, created_at, uuid) where type = 'video'`,
  `alter table "users" add column "storage_limit_mb" int null`,
  `alter table "users" add constraint "users_storage_limit_check" check (storage_limit_mb >= 0)`,
];

const TIMES = `"created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now()`;
const touched = (table: string): string =>
  `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`;
const toTask = (table: string, rule: 'cascade' | 'set null'): string =>
  `alter table "${table}" add constraint "${table}_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on delete ${rule}`;
const toUser = (table: string): string =>
  `alter table "${table}" add constraint "${table}_user_id_foreign" foreign key ("user_id") references "users" ("id")`;

const TABLES = [
  `create table "scripts" ("id" bigserial primary key, "task_id" uuid not null, "scene_number" int not null, "description" text not null, "duration" int not null, "camera_movement" varchar(50) null, "lighting" varchar(50) null, "voice_text" text null, "color" varchar(7) null, "picture" varchar(255) null, ${TIMES})`,
  `alter table "scripts" add constraint "scripts_scene_key" unique ("task_id", "scene_number")`,
  `alter table "scripts" add constraint "scripts_range_check" check (scene_number > 0 and duration > 0)`,
  toTask('scripts', 'cascade'),
  touched('scripts'),
  `create table "videos" ("id" bigserial primary key, "task_id" uuid not null, "scene_number" int not null, "file_path" varchar(500) not null, "file_size" bigint null, "duration" double precision null, "width" int null, "height" int null, "fps" int null, "frames" int null, "status" varchar(20) not null default 'completed', "sha256" varchar(64) null, "attempts" int not null default 0, "error_message" text null, "thumbnail_path" varchar(500) null, ${TIMES})`,
  `alter table "videos" add constraint "videos_scene_key" unique ("task_id", "scene_number")`,
  `alter table "videos" add constraint "videos_status_check" check ("status" in ('rendering', 'completed', 'failed', 'interrupted', 'removed'))`,
  `alter table "videos" add constraint "videos_range_check" check (scene_number > 0 and attempts >= 0)`,
  `alter table "videos" add constraint "videos_completed_check" check (status <> 'completed' or (file_size is not null and duration is not null and sha256 is not null))`,
  toTask('videos', 'cascade'),
  touched('videos'),
  `create table "video_files" ("id" bigserial primary key, "task_id" uuid null, "user_id" bigint not null, "key" varchar(500) not null, "bytes" bigint not null default 0, ${TIMES})`,
  `alter table "video_files" add constraint "video_files_key_key" unique ("key")`,
  `alter table "video_files" add constraint "video_files_bytes_check" check (bytes >= 0)`,
  toTask('video_files', 'set null'),
  toUser('video_files'),
  `create index idx_video_files_task on video_files (task_id)`,
  `create index idx_video_files_user on video_files (user_id)`,
  touched('video_files'),
  `create table "video_events" ("id" bigserial primary key, "task_id" uuid not null, "event" text not null, "data" jsonb not null, ${TIMES})`,
  `alter table "video_events" add constraint "video_events_event_check" check ("event" in ('status', 'progress', 'scene'))`,
  `create index idx_video_events_task on video_events (task_id, id)`,
  toTask('video_events', 'cascade'),
  `create table "statistics" ("id" bigserial primary key, "date" date not null, "total_tasks" int not null default 0, "completed_tasks" int not null default 0, "failed_tasks" int not null default 0, "cancelled_tasks" int not null default 0, "total_videos" int not null default 0, "total_duration" double precision not null default 0, "avg_generation_time" double precision not null default 0, "settled" boolean not null default false, "sealed" boolean not null default false, ${TIMES})`,
  `alter table "statistics" add constraint "statistics_date_key" unique ("date")`,
  touched('statistics'),
  `create table "quota_ledger" ("id" bigserial primary key, "user_id" bigint not null, "task_id" uuid not null, "round" int not null default 1, "kind" text not null, "amount" int not null, ${TIMES})`,
  `alter table "quota_ledger" add constraint "quota_ledger_entry_key" unique ("task_id", "round", "kind")`,
  `alter table "quota_ledger" add constraint "quota_ledger_kind_check" check ("kind" in ('reserve', 'commit', 'refund'))`,
  `alter table "quota_ledger" add constraint "quota_ledger_range_check" check (round > 0 and amount > 0)`,
  `create unique index quota_ledger_one_end on quota_ledger (task_id, round) where kind <> 'reserve'`,
  `create index idx_quota_ledger_user on quota_ledger (user_id, id)`,
  toTask('quota_ledger', 'cascade'),
  toUser('quota_ledger'),
];
