import { Migration } from '@mikro-orm/migrations';

/** Evaluations of models: datasets of prompts, runs, a log row for each prompt, cached answers, further sets of scores. */
export class Migration0012Flames extends Migration {
  override up(): void {
    for (const statement of [...TABLES, ...KEYS, ...GUARDS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of DROPS) this.addSql(statement);
  }
}

const TABLES = [
  `create table "flames_dataset" ("id" serial primary key, "user_id" bigint not null, "name" text not null, "version" int not null, "shared" boolean not null default false, "format" text not null, "mapping" jsonb not null, "sha256" varchar(64) not null, "content_hash" varchar(64) not null, "prompts" int not null default 0, "groups" jsonb not null default '[]', "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `alter table "flames_dataset" add constraint "flames_dataset_version_key" unique ("user_id", "name", "version")`,
  `alter table "flames_dataset" add constraint "flames_dataset_content_key" unique ("user_id", "name", "content_hash")`,
  `create table "task_flames" ("task_id" varchar(64) not null, "task_uuid" uuid null, "user_id" bigint null, "name" text not null default '', "model" text null, "base_url" text null, "dataset_id" int null, "params" jsonb not null default '{}', "scorer" text null, "status" text not null default 'pending', "total" int not null default 0, "done" int not null default 0, "failed" int not null default 0, "submit_time" timestamptz(3) not null default now(), "start_time" timestamptz(3) null, "end_time" timestamptz(3) null, "result" jsonb null, "error" jsonb null, "logs" text not null default 'database', "has_files" boolean not null default false, "repair_at" timestamptz(3) null, "repair_tries" int not null default 0, "repair_error" text null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("task_id"))`,
  `alter table "task_flames" add constraint "task_flames_task_uuid_key" unique ("task_uuid")`,
  `create index "idx_task_flames_dataset" on "task_flames" ("dataset_id")`,
  `create index "idx_task_flames_status" on "task_flames" ("status")`,
  `create index "idx_task_flames_submit" on "task_flames" ("submit_time", "task_id")`,
  `create index "idx_task_flames_user" on "task_flames" ("user_id", "submit_time", "task_id")`,
  `create index idx_task_flames_end on task_flames (end_time, task_id) where logs <> 'removed'`,
  `create index idx_task_flames_repair on task_flames (repair_at) where repair_at is not null`,
  `create table "task_flames_logs" ("id" bigserial primary key, "task_id" varchar(64) not null, "prompt_seq" int not null, "epoch" int not null default 1, "dimension" text not null, "subcomponent" text null, "predicted" int null, "prompt" text null, "response" text null, "status" text not null default 'ok', "error" text null, "judgement" text null, "scorer" text null, "attempts" int not null default 0, "latency_ms" int null, "prompt_tokens" int null, "completion_tokens" int null, "cached" boolean not null default false, "runid" uuid null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create index "idx_task_flames_logs_task" on "task_flames_logs" ("task_id", "dimension", "predicted", "prompt_seq")`,
  `create index "idx_task_flames_logs_dimension" on "task_flames_logs" ("dimension")`,
  `alter table "task_flames_logs" add constraint "task_flames_logs_prompt_key" unique ("task_id", "prompt_seq", "epoch")`,
  `create table "flames_score_set" ("id" serial primary key, "task_id" varchar(64) not null, "task_uuid" uuid null, "user_id" bigint not null, "scorer" text null, "params" jsonb not null default '{}', "status" text not null default 'pending', "total" int not null default 0, "done" int not null default 0, "failed" int not null default 0, "submit_time" timestamptz(3) not null default now(), "start_time" timestamptz(3) null, "end_time" timestamptz(3) null, "result" jsonb null, "error" jsonb null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `create index "idx_flames_score_set_run" on "flames_score_set" ("task_id")`,
  `alter table "flames_score_set" add constraint "flames_score_set_task_uuid_key" unique ("task_uuid")`,
  `create table "flames_score" ("score_set_id" int not null, "log_id" bigint not null, "predicted" int null, "status" text not null, "error" text null, "judgement" text null, "runid" uuid null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("score_set_id", "log_id"))`,
  `create index "idx_flames_score_log" on "flames_score" ("log_id")`,
  `create table "flames_prompt" ("dataset_id" int not null, "seq" int not null, "dimension" text not null, "subcomponent" text null, "prompt" text not null, "reference" text null, "sha" varchar(64) not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("dataset_id", "seq"))`,
  `alter table "flames_prompt" add constraint "flames_prompt_sha_key" unique ("dataset_id", "sha")`,
  `create table "flames_cache" ("key" varchar(64) not null, "user_id" bigint not null, "response" text not null, "prompt_tokens" int null, "completion_tokens" int null, "expires_at" timestamptz(3) not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), primary key ("key"))`,
  `create index "idx_flames_cache_expires" on "flames_cache" ("expires_at")`,
];

const KEYS = [
  `alter table "flames_dataset" add constraint "flames_dataset_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "flames_dataset" add constraint "flames_dataset_format_check" check ("format" in ('jsonl', 'csv'))`,
  `alter table "task_flames" add constraint "task_flames_task_uuid_foreign" foreign key ("task_uuid") references "tasks" ("uuid") on delete set null`,
  `alter table "task_flames" add constraint "task_flames_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete set null`,
  `alter table "task_flames" add constraint "task_flames_dataset_id_foreign" foreign key ("dataset_id") references "flames_dataset" ("id") on delete set null`,
  `alter table "task_flames" add constraint "task_flames_range_check" check (total >= 0 and done >= 0 and failed >= 0 and repair_tries >= 0)`,
  `alter table "task_flames" add constraint "task_flames_status_check" check ("status" in ('pending', 'running', 'scoring', 'completed', 'failed', 'cancelled', 'partial'))`,
  `alter table "task_flames" add constraint "task_flames_logs_check" check ("logs" in ('database', 'files', 'result', 'removed'))`,
  `alter table "task_flames_logs" add constraint "task_flames_logs_task_id_foreign" foreign key ("task_id") references "task_flames" ("task_id") on delete cascade`,
  `alter table "task_flames_logs" add constraint "task_flames_logs_predicted_check" check ((status = 'ok') = (predicted is not null) and (predicted is null or predicted in (1, 2, 3)))`,
  `alter table "task_flames_logs" add constraint "task_flames_logs_range_check" check (prompt_seq >= 1 and epoch >= 1 and attempts >= 0)`,
  `alter table "task_flames_logs" add constraint "task_flames_logs_status_check" check ("status" in ('answered', 'ok', 'unparsed', 'refused', 'error'))`,
  `alter table "flames_score_set" add constraint "flames_score_set_task_id_foreign" foreign key ("task_id") references "task_flames" ("task_id") on delete cascade`,
  `alter table "flames_score_set" add constraint "flames_score_set_task_uuid_foreign" foreign key ("task_uuid") references "tasks" ("uuid") on delete set null`,
  `alter table "flames_score_set" add constraint "flames_score_set_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
  `alter table "flames_score_set" add constraint "flames_score_set_range_check" check (total >= 0 and done >= 0 and failed >= 0)`,
  `alter table "flames_score_set" add constraint "flames_score_set_status_check" check ("status" in ('pending', 'running', 'scoring', 'completed', 'failed', 'cancelled', 'partial'))`,
  `alter table "flames_score" add constraint "flames_score_score_set_id_foreign" foreign key ("score_set_id") references "flames_score_set" ("id") on delete cascade`,
  `alter table "flames_score" add constraint "flames_score_log_id_foreign" foreign key ("log_id") references "task_flames_logs" ("id") on delete cascade`,
  `alter table "flames_score" add constraint "flames_score_predicted_check" check ((status = 'ok') = (predicted is not null) and (predicted is null or predicted in (1, 2, 3)))`,
  `alter table "flames_score" add constraint "flames_score_status_check" check ("status" in ('ok', 'unparsed', 'refused', 'error'))`,
  `alter table "flames_prompt" add constraint "flames_prompt_dataset_id_foreign" foreign key ("dataset_id") references "flames_dataset" ("id") on delete cascade`,
  `alter table "flames_cache" add constraint "flames_cache_user_id_foreign" foreign key ("user_id") references "users" ("id")`,
];

/**
 * A flames task has its row from the moment it is submitted, in the same transaction, whoever submits it. One that names a run to score again gets a score
 * set of that run; where the run is gone meanwhile it gets none, and its engine says so. What is no number never breaks a submission.
 */
const begin = `create function begin_flames_run() returns trigger language plpgsql as $$
declare
  p jsonb := new.parameters;
begin
  if p->>'rescore_of' is not null then
    insert into flames_score_set (task_id, task_uuid, user_id, scorer, params, submit_time, total)
      select f.task_id, new.uuid, new.user_id, p->'scorer'->>'kind', p, new.created_at,
        (select count(*) from task_flames_logs l where l.task_id = f.task_id)
      from task_flames f where f.task_id = p->>'rescore_of';
  else
    insert into task_flames (task_id, task_uuid, user_id, name, model, base_url, dataset_id, params, scorer, submit_time, total)
      select new.uuid::text, new.uuid, new.user_id, new.name, p->'model'->>'name', p->'model'->>'base_url', d.id, p, p->'scorer'->>'kind', new.created_at,
        coalesce(least(d.prompts, case when jsonb_typeof(p->'limit') = 'number' then (p->>'limit')::int end), 0)
          * coalesce(case when jsonb_typeof(p->'epochs') = 'number' then (p->>'epochs')::int end, 1)
      from (select case when jsonb_typeof(p->'dataset_id') = 'number' then (p->>'dataset_id')::int end as id) wanted
        left join flames_dataset d on d.id = wanted.id;
  end if;
  return null;
end $$`;

/** Status and times of a run or score set are those of its task, whoever changes that; how well a completed one is covered stands in its result. */
const follow = `create function follow_flames_task() returns trigger language plpgsql as $$
declare
  final boolean := new.status in ('completed', 'failed', 'cancelled');
  next text := case when new.status in ('pending', 'queued') then 'pending' when new.status = 'processing' then 'running'
    when new.status = 'completed' and new.result->>'verdict' = 'partial' then 'partial' else new.status end;
begin
  update task_flames set status = next, error = case when final then new.error end,
      start_time = case when new.status = 'processing' then coalesce(start_time, clock_timestamp()) else start_time end,
      end_time = case when final then coalesce(new.completed_at, clock_timestamp()) end,
      result = case when new.status = 'processing' then null else result end
    where task_uuid = new.uuid;
  if not found then
    update flames_score_set set status = case when next = 'running' then 'scoring' else next end, error = case when final then new.error end,
        start_time = case when new.status = 'processing' then coalesce(start_time, clock_timestamp()) else start_time end,
        end_time = case when final then coalesce(new.completed_at, clock_timestamp()) end,
        result = case when new.status = 'processing' then null else result end
      where task_uuid = new.uuid;
  end if;
  return null;
end $$`;

/**
 * A run that comes with its logs inside its result, as they were once kept, says so. One that has ended has an end, or it would never grow old; and one
 * that ended without its figures, because its engine could not write them, is looked after.
 */
const keep = `create function keep_task_flames() returns trigger language plpgsql as $$
begin
  if new.logs = 'database' and jsonb_typeof(new.result->'logs') in ('array', 'object') then
    new.logs := 'result';
  end if;
  if new.status not in ('pending', 'running', 'scoring') then
    new.end_time := coalesce(new.end_time, clock_timestamp());
    if new.task_uuid is not null and new.result->'overall' is null and new.logs <> 'removed' and new.repair_tries = 0 then
      new.repair_at := coalesce(new.repair_at, clock_timestamp());
    end if;
  end if;
  if tg_op = 'UPDATE' then
    new.updated_at := now();
  end if;
  return new;
end $$`;

const TOUCHED = ['flames_dataset', 'task_flames_logs', 'flames_score_set', 'flames_score', 'flames_cache'];

const GUARDS = [
  begin,
  follow,
  keep,
  `create trigger begin_flames_run after insert on tasks for each row when (new.type = 'flames') execute function begin_flames_run()`,
  `create trigger follow_flames_task after update on tasks for each row when (new.type = 'flames' and old.status <> new.status)
    execute function follow_flames_task()`,
  'create trigger keep_task_flames before insert or update on task_flames for each row execute function keep_task_flames()',
  ...TOUCHED.map((table) => `create trigger set_updated_at before update on ${table} for each row execute function set_updated_at()`),
  'create trigger refuse_update before update on flames_prompt for each row execute function refuse_change()',
];

const DROPS = [
  'drop trigger if exists begin_flames_run on tasks',
  'drop trigger if exists follow_flames_task on tasks',
  ...['flames_score', 'flames_score_set', 'flames_cache', 'task_flames_logs', 'task_flames', 'flames_prompt', 'flames_dataset'].map(
    (table) => `drop table if exists "${table}" cascade`,
  ),
  'drop function if exists begin_flames_run()',
  'drop function if exists follow_flames_task()',
  'drop function if exists keep_task_flames()',
];
