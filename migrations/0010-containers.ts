import { Migration } from '@mikro-orm/migrations';
import { DROP_PARTITIONS, PARTITIONS, TEXT_SEARCH, VIEWS } from './0010-log-storage.ts';

/** Docker images, containers, operations on images; what container logs say, by month, with search, statistics and archives. */
export class Migration0010Containers extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...TOUCH, ...PARTITIONS, ...TEXT_SEARCH, ...VIEWS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of DROP_PARTITIONS) this.addSql(statement);
    for (const table of NAMES) this.addSql(`drop table if exists "${table}" cascade`);
  }
}

const NAMES = [
  'container_log_segment',
  'log_template',
  'container_log_source',
  'log_stats_hourly',
  'log_archive',
  'docker_container',
  'docker_image_log',
  'docker_image',
];

const TABLES = [
  `create table "container_log_segment" ("id" bigserial not null, "filed_at" timestamptz(3) not null, "source_id" bigint not null, "container_id" text not null, "container_name" text not null, "segment_type" text not null, "severity_level" text not null, "severity_number" smallint not null, "content" text not null, "component" text null, "timestamp" timestamptz(3) null, "logged_at" timestamptz(3) not null, "line_number" bigint not null, "line_count" int not null, "stream" text null, "format" text not null, "detect_source" text not null, "template_id" bigint null, "attributes" jsonb not null default '{}', "runid" uuid null, "user_id" bigint null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id", "filed_at")) partition by range ("filed_at")`,
  `create table "container_log_source" ("id" bigserial primary key, "container_id" text not null, "container_name" text not null, "docker_id" text null, "kind" text not null, "identity" text not null, "runid" uuid null, "status" text not null default 'reading', "error" text null, "requested_by" text not null, "user_id" bigint null, "lines" bigint not null default '0', "segments" bigint not null default '0', "position" jsonb null, "pending" jsonb not null default '[]', "first_seen" timestamptz(3) not null default now(), "ended_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create table "docker_container" ("id" bigserial primary key, "docker_id" text not null, "container_id" text not null, "container_name" text not null, "image_id" text not null, "image_name" text not null, "status" text not null, "exit_code" int null, "ports" jsonb not null default '{}', "environment" jsonb not null default '{}', "labels" jsonb not null default '{}', "runid" uuid null, "created" timestamptz(3) null, "started_at" timestamptz(3) null, "finished_at" timestamptz(3) null, "first_seen" timestamptz(3) not null default now(), "last_seen" timestamptz(3) not null default now(), "removed_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create table "docker_image" ("id" bigserial primary key, "docker_id" text not null, "image_id" text not null, "repo_tags" text[] not null default '{}', "repo_digests" text[] not null default '{}', "digest" text null, "size" bigint not null default '0', "architecture" text null, "labels" jsonb not null default '{}', "created" timestamptz(3) null, "first_seen" timestamptz(3) not null default now(), "last_seen" timestamptz(3) not null default now(), "removed_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create table "docker_image_log" ("id" bigserial primary key, "docker_id" text null, "worker" text null, "image_id" text null, "image_name" text not null, "operation" text not null, "status" text not null, "message" text not null default '', "error_code" text null, "actor" text not null, "task_id" uuid not null, "runid" uuid not null, "bytes" bigint null, "layers" int null, "duration_ms" bigint null, "progress" jsonb not null default '{}', "ended_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create table "log_archive" ("id" bigserial primary key, "table_name" text not null, "period" text not null, "from_at" timestamptz(3) not null, "until_at" timestamptz(3) not null, "rows" bigint not null, "bytes" bigint not null, "sha256" text not null, "key" text not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create table "log_stats_hourly" ("container_id" text not null, "hour" timestamptz(3) not null, "severity_level" text not null, "component" text not null, "segment_type" text not null, "count" bigint not null default '0', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("container_id", "hour", "severity_level", "component"))`,
  `create table "log_template" ("id" bigserial primary key, "source_id" bigint not null, "number" int not null, "container_id" text not null, "template" text not null, "count" bigint not null default '0', "first_seen" timestamptz(3) not null default now(), "last_seen" timestamptz(3) not null default now(), "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create index "idx_container_log_segment_time" on "container_log_segment" ("logged_at", "id")`,
  `create index "idx_container_log_segment_container" on "container_log_segment" ("container_id", "logged_at", "id")`,
  `create index "idx_container_log_segment_type" on "container_log_segment" ("segment_type", "logged_at", "id")`,
  `create index idx_container_log_segment_user on container_log_segment (user_id, logged_at, id) where user_id is not null`,
  `alter table "container_log_segment" add constraint "container_log_segment_line_key" unique ("source_id", "line_number", "filed_at")`,
  `create index "idx_container_log_source_reading" on "container_log_source" ("status", "docker_id")`,
  `create index "idx_container_log_source_created" on "container_log_source" ("created_at")`,
  `alter table "container_log_source" add constraint "container_log_source_key" unique ("container_id", "identity")`,
  `create index "idx_docker_container_container" on "docker_container" ("container_id")`,
  `create index "idx_docker_container_image" on "docker_container" ("image_id")`,
  `create index "idx_docker_container_status" on "docker_container" ("status")`,
  `create index "idx_docker_container_runid" on "docker_container" ("runid")`,
  `create index "idx_docker_container_removed" on "docker_container" ("removed_at")`,
  `alter table "docker_container" add constraint "docker_container_daemon_key" unique ("docker_id", "container_id")`,
  `create index "idx_docker_image_image" on "docker_image" ("image_id")`,
  `create index "idx_docker_image_removed" on "docker_image" ("removed_at")`,
  `alter table "docker_image" add constraint "docker_image_daemon_key" unique ("docker_id", "image_id")`,
  `create index "idx_docker_image_log_image" on "docker_image_log" ("image_id")`,
  `create index "idx_docker_image_log_status" on "docker_image_log" ("status")`,
  `create index "idx_docker_image_log_created" on "docker_image_log" ("created_at", "id")`,
  `create index "idx_docker_image_log_name" on "docker_image_log" ("image_name")`,
  `alter table "docker_image_log" add constraint "docker_image_log_task_key" unique ("task_id")`,
  `alter table "log_archive" add constraint "log_archive_key_key" unique ("key")`,
  `create index "idx_log_archive_table" on "log_archive" ("table_name", "from_at")`,
  `create index "idx_log_stats_hourly_hour" on "log_stats_hourly" ("hour")`,
  `create index "idx_log_stats_hourly_updated" on "log_stats_hourly" ("updated_at")`,
  `create index "idx_log_template_container" on "log_template" ("container_id")`,
  `alter table "log_template" add constraint "log_template_number_key" unique ("source_id", "number")`,
  `alter table "container_log_segment" add constraint "container_log_segment_segment_type_check" check ("segment_type" in ('error', 'warning', 'info', 'debug'))`,
  `alter table "container_log_segment" add constraint "container_log_segment_severity_level_check" check ("severity_level" in ('trace', 'debug', 'info', 'notice', 'warning', 'error', 'fatal'))`,
  `alter table "container_log_segment" add constraint "container_log_segment_stream_check" check ("stream" in ('stdout', 'stderr'))`,
  `alter table "container_log_segment" add constraint "container_log_segment_detect_source_check" check ("detect_source" in ('field', 'header', 'status', 'keyword', 'stream', 'default'))`,
  `alter table "container_log_source" add constraint "container_log_source_kind_check" check ("kind" in ('container', 'instance', 'text', 'batch'))`,
  `alter table "container_log_source" add constraint "container_log_source_status_check" check ("status" in ('reading', 'ended', 'failed'))`,
  `alter table "docker_container" add constraint "docker_container_status_check" check ("status" in ('created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead', 'removed'))`,
  `alter table "docker_image_log" add constraint "docker_image_log_end_check" check ((status = 'started') = (ended_at is null))`,
  `alter table "docker_image_log" add constraint "docker_image_log_operation_check" check ("operation" in ('pull', 'push', 'tag', 'untag', 'remove', 'import', 'build', 'prune'))`,
  `alter table "docker_image_log" add constraint "docker_image_log_status_check" check ("status" in ('started', 'succeeded', 'failed'))`,
  `alter table "log_stats_hourly" add constraint "log_stats_hourly_count_check" check (count >= 0)`,
  `alter table "log_stats_hourly" add constraint "log_stats_hourly_severity_level_check" check ("severity_level" in ('trace', 'debug', 'info', 'notice', 'warning', 'error', 'fatal'))`,
  `alter table "log_stats_hourly" add constraint "log_stats_hourly_segment_type_check" check ("segment_type" in ('error', 'warning', 'info', 'debug'))`,
  `alter table "log_template" add constraint "log_template_source_id_foreign" foreign key ("source_id") references "container_log_source" ("id") on delete cascade`,
];

const TOUCH = ['log_template', 'container_log_source', 'docker_container', 'docker_image_log', 'docker_image'].map(
  (table) => `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`,
);
