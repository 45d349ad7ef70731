/** Room that is lent to a pool for a time: rows whose sum is added to the total, which itself is never edited. */
const keep = `create function keep_pool_ceiling() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.ceiling_cpu := new.total_cpu + new.extra_cpu;
    new.ceiling_memory := new.total_memory + new.extra_memory;
  else
    new.ceiling_cpu := greatest(new.total_cpu + new.extra_cpu, least(old.used_cpu, new.used_cpu));
    new.ceiling_memory := greatest(new.total_memory + new.extra_memory, least(old.used_memory, new.used_memory));
    new.updated_at := now();
  end if;
  return new;
end $$`;

const note = (extra: string): string => `create or replace function note_pool_total() returns trigger language plpgsql as $$
begin
  insert into pool_totals (pool, from_seq, total_cpu, total_memory) values (new.name, new.seq, new.total_cpu${extra && ' + new.extra_cpu'}, new.total_memory${extra && ' + new.extra_memory'});
  return null;
end $$`;

const noteUpdate = (columns: string[]): string => `create trigger note_total_update after update on pools for each row
    when ((${columns.map((c) => `old.${c}`).join(', ')}) is distinct from (${columns.map((c) => `new.${c}`).join(', ')})) execute function note_pool_total()`;

const TOTALS = ['total_cpu', 'total_memory'];

export const RESIZES = [
  `alter table "pools" add "extra_cpu" numeric(12,3) not null default 0, add "extra_memory" bigint not null default '0'`,
  `alter table "pools" add constraint "pools_extra_check" check (extra_cpu >= 0 and extra_memory >= 0)`,
  `create table "pool_resizes" ("id" bigserial primary key, "pool" text not null, "cpu" numeric(12,3) not null, "memory_mb" bigint not null, "until_at" timestamptz(3) not null, "ended_at" timestamptz(3) null, "actor" text not null, "reason" text not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now())`,
  `alter table "pool_resizes" add constraint "pool_resizes_pool_foreign" foreign key ("pool") references "pools" ("name") on delete cascade`,
  `alter table "pool_resizes" add constraint "pool_resizes_range_check" check (cpu >= 0 and memory_mb >= 0)`,
  `create index "idx_pool_resizes_pool" on "pool_resizes" ("pool", "id")`,
  `create index "idx_pool_resizes_created" on "pool_resizes" ("created_at", "id")`,
  `create index idx_pool_resizes_live on pool_resizes (until_at) where ended_at is null`,
  `create trigger set_updated_at before update on pool_resizes for each row execute function set_updated_at()`,
  keep,
  note('extra'),
  'drop trigger keep_ceiling on pools',
  'create trigger keep_ceiling before insert or update on pools for each row execute function keep_pool_ceiling()',
  'drop trigger note_total_update on pools',
  noteUpdate([...TOTALS, 'extra_cpu', 'extra_memory']),
];

export const RESIZES_DOWN = [
  'drop trigger note_total_update on pools',
  note(''),
  noteUpdate(TOTALS),
  'drop trigger keep_ceiling on pools',
  'update pools set extra_cpu = 0, extra_memory = 0',
  'create trigger keep_ceiling before insert or update on pools for each row execute function keep_resource_ceiling()',
  'update pools set seq = seq',
  'drop function if exists keep_pool_ceiling()',
  'drop table if exists "pool_resizes" cascade',
  'alter table "pools" drop column "extra_cpu", drop column "extra_memory"',
];
