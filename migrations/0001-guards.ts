/** What must never happen, refused by the database itself whoever writes. Error code 23514 (check_violation), the message names row and change. */

const touch = `create function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$`;

/** Legal moves as in core/states.ts; a test compares the two. */
const tasks = `create function guard_task() returns trigger language plpgsql as $$
begin
  if new.status <> old.status and (old.status || '>' || new.status) not in (
    'pending>queued', 'pending>cancelled', 'pending>failed',
    'queued>processing', 'queued>pending', 'queued>cancelled', 'queued>failed',
    'processing>completed', 'processing>failed', 'processing>cancelled', 'processing>pending', 'processing>queued',
    'failed>queued', 'failed>pending', 'cancelled>queued', 'cancelled>pending') then
    raise exception 'task %: % cannot become %', old.uuid, old.status, new.status using errcode = '23514', constraint = 'tasks_transition';
  end if;
  new.updated_at := now();
  return new;
end $$`;

const instances = `create function guard_instance() returns trigger language plpgsql as $$
begin
  if old.status not in ('starting', 'running') then
    raise exception 'instance %: % is final', old.runid, old.status using errcode = '23514', constraint = 'instances_final';
  end if;
  if old.status = 'running' and new.status = 'starting' then
    raise exception 'instance %: running cannot become starting', old.runid using errcode = '23514', constraint = 'instances_transition';
  end if;
  if new.lease_epoch < old.lease_epoch then
    raise exception 'instance %: lease epoch % cannot fall to %', old.runid, old.lease_epoch, new.lease_epoch using errcode = '23514', constraint = 'instances_lease';
  end if;
  new.updated_at := now();
  return new;
end $$`;

const grants = `create function guard_grant() returns trigger language plpgsql as $$
begin
  if old.released_at is not null then
    raise exception 'grant %: already released', old.runid using errcode = '23514', constraint = 'grants_released_once';
  end if;
  if (new.runid, new.queue, new.pool, new.worker, new.cpu, new.memory_mb) is distinct from (old.runid, old.queue, old.pool, old.worker, old.cpu, old.memory_mb) then
    raise exception 'grant %: amounts never change', old.runid using errcode = '23514', constraint = 'grants_amounts';
  end if;
  new.updated_at := now();
  return new;
end $$`;

/** A ceiling follows the total up at once and down only as far as what is held: used may exceed a lowered total, but never grow above it. */
const resources = `create function keep_resource_ceiling() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.ceiling_cpu := new.total_cpu;
    new.ceiling_memory := new.total_memory;
  else
    new.ceiling_cpu := greatest(new.total_cpu, least(old.used_cpu, new.used_cpu));
    new.ceiling_memory := greatest(new.total_memory, least(old.used_memory, new.used_memory));
    new.updated_at := now();
  end if;
  return new;
end $$`;

const load = `create function keep_queue_ceiling() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.ceiling := new.capacity;
  else
    new.ceiling := greatest(new.capacity, least(old.current_load, new.current_load));
    new.updated_at := now();
  end if;
  return new;
end $$`;

/** Retention alone may remove rows, inside a transaction that says so: set local orchestrator.retention = 'on'. */
const appendOnly = `create function refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op <> 'UPDATE' and current_setting('orchestrator.retention', true) = 'on' then
    return old;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = '23514', constraint = 'append_only';
end $$`;

type Trigger = { name: string; on: string; events: string; run: string; each?: 'row' | 'statement' };

const before = ({ name, on, events, run, each = 'row' }: Trigger): string =>
  `create trigger ${name} before ${events} on ${on} for each ${each} execute function ${run}()`;

const IMMUTABLE = ['task_history', 'audit_log', 'template_versions', 'sla_versions', 'instance_logs'];
const TOUCHED = ['users', 'secrets', 'slas', 'templates'];

export const GUARDS = [
  touch,
  tasks,
  instances,
  grants,
  resources,
  load,
  appendOnly,
  before({ name: 'guard_task', on: 'tasks', events: 'update', run: 'guard_task' }),
  before({ name: 'guard_instance', on: 'instances', events: 'update', run: 'guard_instance' }),
  before({ name: 'guard_grant', on: 'grants', events: 'update', run: 'guard_grant' }),
  before({ name: 'keep_ceiling', on: 'pools', events: 'insert or update', run: 'keep_resource_ceiling' }),
  before({ name: 'keep_ceiling', on: 'workers', events: 'insert or update', run: 'keep_resource_ceiling' }),
  before({ name: 'keep_ceiling', on: 'queues', events: 'insert or update', run: 'keep_queue_ceiling' }),
  ...TOUCHED.map((table) => before({ name: 'set_updated_at', on: table, events: 'update', run: 'set_updated_at' })),
  ...IMMUTABLE.map((table) => before({ name: 'refuse_update', on: table, events: 'update', run: 'refuse_change' })),
  ...['task_history', 'audit_log'].map((table) => before({ name: 'refuse_delete', on: table, events: 'delete', run: 'refuse_change' })),
  ...['task_history', 'audit_log'].map((table) =>
    before({ name: 'refuse_truncate', on: table, events: 'truncate', run: 'refuse_change', each: 'statement' }),
  ),
];

const FUNCTIONS = [
  'set_updated_at',
  'guard_task',
  'guard_instance',
  'guard_grant',
  'keep_resource_ceiling',
  'keep_queue_ceiling',
  'refuse_change',
];

export const GUARDS_DOWN = FUNCTIONS.map((name) => `drop function if exists ${name}()`);
