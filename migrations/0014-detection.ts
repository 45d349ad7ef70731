import { Migration } from '@mikro-orm/migrations';
import { PARTITIONS, PARTITIONS_DOWN, TRIGGERS, VIEWS, VIEWS_DOWN } from './0014-storage.ts';

/** Cameras, detection sessions and records, violations, hourly statistics, alert rules and what became of them. */
export class Migration0014Detection extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...PARTITIONS, ...TRIGGERS, ...VIEWS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...VIEWS_DOWN, ...DROPS, ...PARTITIONS_DOWN]) this.addSql(statement);
  }
}

const TABLES = [
  `create table "detection_records" ("id" bigserial not null, "timestamp" timestamptz(3) not null, "camera_id" text not null, "session_id" bigint not null, "frame_number" bigint not null, "person_count" int not null, "hairnet_violations" int not null, "saved_for" text not null, "objects" jsonb not null, "detail" jsonb null, "fps" double precision null, "processing_ms" double precision null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id", "timestamp")) partition by range ("timestamp")`,
  `create index "idx_detection_records_camera_time" on "detection_records" ("camera_id", "timestamp", "id")`,
  `create index "idx_detection_records_time" on "detection_records" ("timestamp", "id")`,
  `create index idx_detection_records_violations on detection_records (camera_id, timestamp, id) where hairnet_violations > 0`,
  `alter table "detection_records" add constraint "detection_records_session_frame_key" unique ("session_id", "frame_number", "timestamp")`,
  `alter table "detection_records" add constraint "detection_records_range_check" check (frame_number >= 0 and person_count >= 0 and hairnet_violations >= 0)`,
  `alter table "detection_records" add constraint "detection_records_saved_for_check" check ("saved_for" in ('sample', 'change'))`,
  `create table "cameras" ("id" text not null, "name" text not null, "user_id" bigint not null, "timezone" text not null default 'UTC', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index "idx_cameras_user" on "cameras" ("user_id")`,
  `create table "statistics_hourly" ("camera_id" text not null, "hour_start" timestamptz(3) not null, "total_frames" int not null default 0, "person_frames" int not null default 0, "persons_max" int not null default 0, "violating_person_frames" int not null default 0, "hairnet_violations" int not null default 0, "violations_opened" int not null default 0, "distinct_tracks" int not null default 0, "compliance" double precision null, "dirty" boolean not null default false, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("camera_id", "hour_start"))`,
  `create index "idx_statistics_hourly_hour" on "statistics_hourly" ("hour_start", "camera_id")`,
  `create index idx_statistics_hourly_dirty on statistics_hourly (camera_id, hour_start) where dirty`,
  `create table "detection_sessions" ("id" bigserial primary key, "camera_id" text not null, "name" text not null, "task_id" uuid null, "rules" jsonb not null, "state" jsonb not null, "frames" bigint not null default '0', "records" bigint not null default '0', "person_frames" bigint not null default '0', "violating_person_frames" bigint not null default '0', "violations" int not null default 0, "first_at" timestamptz(3) null, "last_at" timestamptz(3) null, "ended_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now()) with (fillfactor = 70)`,
  `create index "idx_detection_sessions_task" on "detection_sessions" ("task_id")`,
  `create index "idx_detection_sessions_created" on "detection_sessions" ("created_at")`,
  `alter table "detection_sessions" add constraint "detection_sessions_camera_name_key" unique ("camera_id", "name")`,
  `create table "detection_frames" ("session_id" bigint not null, "block" bigint not null, "frames" bytea not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("session_id", "block")) with (fillfactor = 70)`,
  `create table "detection_minutes" ("camera_id" text not null, "minute" timestamptz(3) not null, "session_id" bigint not null, "frames" int not null, "person_frames" int not null, "persons_max" int not null, "violating_person_frames" int not null, "hairnet_violations" int not null, "tracks" text[] not null default '{}', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("camera_id", "minute", "session_id")) with (fillfactor = 70)`,
  `create index "idx_detection_minutes_session" on "detection_minutes" ("session_id")`,
  `create index "idx_detection_minutes_minute" on "detection_minutes" ("minute")`,
  `create unlogged table "camera_live" ("camera_id" text not null, "watched_until" timestamptz(3) not null, "seq" bigint not null default '0', "frames" jsonb not null default '[]', "picture_seq" bigint not null default '0', "picture" bytea null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("camera_id"))`,
  `create table "alert_rules" ("id" bigserial primary key, "name" text not null, "description" text not null default '', "enabled" boolean not null default true, "violation_types" text[] not null default '{}', "cameras" text[] not null default '{}', "min_severity" text not null default 'low', "window_s" int not null default 60, "threshold" int not null default 1, "consecutive" int not null default 1, "cooldown_s" int not null default 300, "schedule" jsonb null, "channels" jsonb not null default '[]', "user_id" bigint null, "last_fired_at" timestamptz(3) null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `alter table "alert_rules" add constraint "alert_rules_name_key" unique ("name")`,
  `alter table "alert_rules" add constraint "alert_rules_range_check" check (window_s >= 1 and threshold >= 1 and consecutive >= 1 and cooldown_s >= 0)`,
  `alter table "alert_rules" add constraint "alert_rules_min_severity_check" check ("min_severity" in ('low', 'medium', 'high', 'critical'))`,
  `create table "alert_states" ("rule_id" bigint not null, "camera_id" text not null, "streak" int not null default 0, "met_at" timestamptz(3) null, "pending" boolean not null default false, "delivered_at" timestamptz(3) null, "severity" text null, "zones" text[] not null default '{}', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("rule_id", "camera_id"))`,
  `alter table "alert_states" add constraint "alert_states_severity_check" check ("severity" in ('low', 'medium', 'high', 'critical'))`,
  `create table "violation_events" ("id" uuid not null default uuidv7(), "camera_id" text not null, "session_id" bigint not null, "track_id" text not null, "violation_type" text not null, "segment_no" int not null, "timestamp" timestamptz(3) not null, "last_seen" timestamptz(3) not null, "ended_at" timestamptz(3) null, "opened_frame" bigint not null, "frames" int not null, "confidence" double precision not null, "severity" text not null, "zones" text[] not null default '{}', "box" jsonb null, "snapshot_key" text null, "status" text not null default 'pending', "handled_by" text null, "handled_at" timestamptz(3) null, "notes" text null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index "idx_violation_events_camera_time" on "violation_events" ("camera_id", "timestamp", "id")`,
  `create index "idx_violation_events_time" on "violation_events" ("timestamp", "id")`,
  `create index "idx_violation_events_status" on "violation_events" ("status", "timestamp", "id")`,
  `create index "idx_violation_events_type" on "violation_events" ("violation_type", "timestamp", "id")`,
  `create index idx_violation_events_open on violation_events (session_id) where ended_at is null`,
  `alter table "violation_events" add constraint "violation_events_segment_key" unique ("session_id", "track_id", "violation_type", "segment_no")`,
  `alter table "violation_events" add constraint "violation_events_range_check" check (last_seen >= timestamp and frames >= 1 and segment_no >= 1)`,
  `alter table "violation_events" add constraint "violation_events_handled_check" check ((status = 'pending') = (handled_by is null))`,
  `alter table "violation_events" add constraint "violation_events_severity_check" check ("severity" in ('low', 'medium', 'high', 'critical'))`,
  `alter table "violation_events" add constraint "violation_events_status_check" check ("status" in ('pending', 'confirmed', 'false_positive', 'resolved'))`,
  `create table "alert_history" ("id" uuid not null default uuidv7(), "rule_id" bigint null, "rule_name" text not null, "camera_id" text not null, "violation_id" uuid null, "violation_ids" uuid[] not null default '{}', "violation_type" text not null, "severity" text not null, "violations" int not null, "reason" text not null, "dedup_key" text not null, "delivery" text not null, "channels" jsonb not null default '[]', "delivered" text[] not null default '{}', "attempts" int not null default 0, "next_attempt_at" timestamptz(3) null, "error" text null, "fired_at" timestamptz(3) not null default now(), "sent_at" timestamptz(3) null, "resolved_at" timestamptz(3) null, "acked_by" text null, "acked_at" timestamptz(3) null, "ack_note" text null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("id"))`,
  `create index "idx_alert_history_violation" on "alert_history" ("violation_id")`,
  `alter table "alert_history" add constraint "alert_history_dedup_key" unique ("dedup_key")`,
  `create index "idx_alert_history_rule" on "alert_history" ("rule_id", "fired_at", "id")`,
  `create index "idx_alert_history_camera" on "alert_history" ("camera_id", "fired_at", "id")`,
  `create index "idx_alert_history_time" on "alert_history" ("fired_at", "id")`,
  `create index idx_alert_history_due on alert_history (next_attempt_at) where delivery = 'pending'`,
  `alter table "alert_history" add constraint "alert_history_due_check" check ((delivery = 'pending') = (next_attempt_at is not null))`,
  `alter table "alert_history" add constraint "alert_history_severity_check" check ("severity" in ('low', 'medium', 'high', 'critical'))`,
  `alter table "alert_history" add constraint "alert_history_delivery_check" check ("delivery" in ('pending', 'sent', 'failed', 'suppressed'))`,
  `alter table "cameras" add constraint "cameras_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "statistics_hourly" add constraint "statistics_hourly_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id")`,
  `alter table "detection_sessions" add constraint "detection_sessions_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id")`,
  `alter table "detection_sessions" add constraint "detection_sessions_task_id_foreign" foreign key ("task_id") references "tasks" ("uuid") on delete set null`,
  `alter table "detection_frames" add constraint "detection_frames_session_id_foreign" foreign key ("session_id") references "detection_sessions" ("id") on delete cascade`,
  `alter table "detection_minutes" add constraint "detection_minutes_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id")`,
  `alter table "detection_minutes" add constraint "detection_minutes_session_id_foreign" foreign key ("session_id") references "detection_sessions" ("id")`,
  `alter table "camera_live" add constraint "camera_live_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id") on update no action on delete cascade`,
  `alter table "alert_rules" add constraint "alert_rules_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete set null`,
  `alter table "alert_states" add constraint "alert_states_rule_id_foreign" foreign key ("rule_id") references "alert_rules" ("id") on update cascade on delete cascade`,
  `alter table "alert_states" add constraint "alert_states_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id") on update cascade on delete cascade`,
  `alter table "violation_events" add constraint "violation_events_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id")`,
  `alter table "violation_events" add constraint "violation_events_session_id_foreign" foreign key ("session_id") references "detection_sessions" ("id")`,
  `alter table "alert_history" add constraint "alert_history_rule_id_foreign" foreign key ("rule_id") references "alert_rules" ("id") on delete set null`,
  `alter table "alert_history" add constraint "alert_history_camera_id_foreign" foreign key ("camera_id") references "cameras" ("id")`,
  `alter table "alert_history" add constraint "alert_history_violation_id_foreign" foreign key ("violation_id") references "violation_events" ("id") on delete set null`,
];

const DROPS = [
  `drop table if exists "camera_live" cascade`,
  `drop table if exists "alert_history" cascade`,
  `drop table if exists "alert_states" cascade`,
  `drop table if exists "alert_rules" cascade`,
  `drop table if exists "statistics_hourly" cascade`,
  `drop table if exists "violation_events" cascade`,
  `drop table if exists "detection_records" cascade`,
  `drop table if exists "detection_minutes" cascade`,
  `drop table if exists "detection_frames" cascade`,
  `drop table if exists "detection_sessions" cascade`,
  `drop table if exists "cameras" cascade`,
];
