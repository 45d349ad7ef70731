/** What the admission rests on and no writer may forget: places of concurrency keys, and the history of a pool's totals. */

/**
 * A keyed task comes parked, holds a place from when it is unparked until it stops running or waiting, and parks again when it is queued anew; then its key is to be
 * looked at (`dirty`), with the limit that its version says.
 * Whoever changes its state, the place is given back in the same statement; more than the capacity cannot be taken.
 */
const keys = `create function keep_key() returns trigger language plpgsql as $$
declare
  was boolean := false;
  holds boolean;
begin
  if tg_op = 'INSERT' then
    new.parked := true;
  else
    was := old.status = 'processing' or (old.status = 'queued' and not old.parked);
    if new.concurrency_key is distinct from old.concurrency_key then
      raise exception 'task %: its concurrency key never changes', old.uuid using errcode = '23514', constraint = 'tasks_key_fixed';
    end if;
    if new.status = 'queued' and old.status <> 'queued' then
      new.parked := true;
    end if;
  end if;
  holds := new.status = 'processing' or (new.status = 'queued' and not new.parked);
  if was and not holds then
    update concurrency_keys set held = held - 1, dirty = true, updated_at = now() where key = new.concurrency_key;
  elsif holds and not was then
    update concurrency_keys set held = held + 1, updated_at = now() where key = new.concurrency_key and held < capacity;
    if not found then
      raise exception 'task %: key % is full', new.uuid, new.concurrency_key using errcode = '23514', constraint = 'concurrency_keys_capacity';
    end if;
  end if;
  if new.status = 'queued' and new.parked and (tg_op = 'INSERT' or old.status <> 'queued') then
    insert into concurrency_keys (key, capacity, on_limit)
    select new.concurrency_key, (concurrency->>'limit')::int, concurrency->>'on_limit' from template_versions where id = new.template_version_id
    on conflict (key) do update set capacity = excluded.capacity, on_limit = excluded.on_limit, dirty = true, updated_at = now();
  end if;
  return new;
end $$`;

const totals = `create function note_pool_total() returns trigger language plpgsql as $$
begin
  insert into pool_totals (pool, from_seq, total_cpu, total_memory) values (new.name, new.seq, new.total_cpu, new.total_memory);
  return null;
end $$`;

export const ADMISSION_GUARDS = [
  keys,
  totals,
  `create trigger keep_key before insert or update on tasks for each row when (new.concurrency_key is not null) execute function keep_key()`,
  `create trigger note_total_insert after insert on pools for each row execute function note_pool_total()`,
  `create trigger note_total_update after update on pools for each row
    when ((old.total_cpu, old.total_memory) is distinct from (new.total_cpu, new.total_memory)) execute function note_pool_total()`,
];

export const ADMISSION_GUARDS_DOWN = [
  `drop trigger if exists keep_key on tasks`,
  `drop trigger if exists note_total_insert on pools`,
  `drop trigger if exists note_total_update on pools`,
  `drop function if exists keep_key()`,
  `drop function if exists note_pool_total()`,
];
