import { Migration } from '@mikro-orm/migrations';

const HALTED = `(t.status = 'pending' and t.pending_reason = 'hold') or (t.status in ('pending', 'queued') and (q.status = 'hold' or o.status = 'hold'))`;
const RESTING = 'c.paused_at is not null and c.stopped_at is null';
/** So many at a time. */
const MOST = 1_000;

/** Tasks behind a closed door whose clocks run on. */
const unpaused = `create function sla_unpaused() returns uuid[] language plpgsql stable as $$
begin
  return array(
    select distinct c.task_id from tasks t join queues q on q.name = t.queue join pools o on o.name = q.pool
      join sla_clocks c on c.task_id = t.uuid and c.stopped_at is null and c.paused_at is null and c.due_at is not null
      join sla_conditions k on k.id = c.condition_id and k.pause_aware
    where t.status in ('pending', 'queued') and (q.status = 'hold' or o.status = 'hold') order by 1 limit ${MOST});
end $$`;

/** Tasks whose clocks rest although nothing holds them. */
const overpaused = `create function sla_overpaused() returns uuid[] language plpgsql stable as $$
begin
  return array(
    select distinct c.task_id from sla_clocks c join tasks t on t.uuid = c.task_id join queues q on q.name = t.queue join pools o on o.name = q.pool
    where ${RESTING} and not (${HALTED}) order by 1 limit ${MOST});
end $$`;

const repair = `create or replace function sla_repair() returns int language plpgsql as $$
declare
  hit uuid[] := '{}';
begin
  if exists (select 1 from queues where status = 'hold' union all select 1 from pools where status = 'hold') then hit := sla_unpaused(); end if;
  if exists (select 1 from sla_clocks c where ${RESTING}) then hit := hit || sla_overpaused(); end if;
  if cardinality(hit) > 0 then perform sla_pause(hit); end if;
  return cardinality(hit);
end $$`;

/** As it was: one query, which the planner liked to read in nested loops when the figures it had were of smaller tables. */
const wasRepair = `create or replace function sla_repair() returns int language plpgsql as $$
declare
  hit uuid[];
begin
  if not exists (select 1 from queues where status = 'hold' union all select 1 from pools where status = 'hold')
    and not exists (select 1 from sla_clocks where paused_at is not null and stopped_at is null) then return 0; end if;
  select array_agg(distinct task_id) into hit from (
    select c.task_id from queues q join pools o on o.name = q.pool join tasks t on t.queue = q.name and t.status in ('pending', 'queued')
      join sla_clocks c on c.task_id = t.uuid and c.stopped_at is null and c.paused_at is null and c.due_at is not null
      join sla_conditions k on k.id = c.condition_id and k.pause_aware
    where q.status = 'hold' or o.status = 'hold'
    union all
    select c.task_id from sla_clocks c join tasks t on t.uuid = c.task_id join queues q on q.name = t.queue join pools o on o.name = q.pool
    where ${RESTING} and not (${HALTED})
    limit ${MOST}) x;
  if hit is null then return 0; end if;
  perform sla_pause(hit);
  return cardinality(hit);
end $$`;

/**
 * The figures that the planner has of open tasks and clocks are those of the last ANALYZE, which may have seen a hundredth of them. What these read is all that
 * is open, so joining by hash is never far from the best; a nested loop that looked cheap then takes seconds, and breaches are told that much later.
 */
const BY_HASH = ['sla_unpaused()', 'sla_predict()'];

const set = (name: string, settings: readonly string[]): string[] => settings.map((setting) => `alter function ${name} set ${setting}`);

/** Clocks of SLAs are looked at in time, whatever the planner thinks of the tables. */
export class Migration0018SlaLooks extends Migration {
  override up(): void {
    for (const statement of [unpaused, overpaused, repair]) this.addSql(statement);
    for (const name of BY_HASH)
      for (const statement of set(name, ['enable_nestloop = off', 'enable_seqscan = off', 'plan_cache_mode = force_custom_plan']))
        this.addSql(statement);
    for (const statement of set('sla_overpaused()', ['enable_hashjoin = off', 'enable_mergejoin = off', 'enable_seqscan = off']))
      this.addSql(statement);
  }

  override down(): void {
    this.addSql(wasRepair);
    for (const name of ['sla_unpaused()', 'sla_overpaused()']) this.addSql(`drop function ${name}`);
    for (const setting of ['enable_nestloop', 'enable_seqscan']) this.addSql(`alter function sla_predict() reset ${setting}`);
  }
}
