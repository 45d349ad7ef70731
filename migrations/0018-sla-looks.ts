import { Migration } from '@mikro-orm/migrations';
import { HALTED } from './0008-clock-life.ts';
import { AT_RISK, SLA_CLOCKS } from './0008-clocks.ts';

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

/** Clocks of tasks whose place in the line lets them start too late, by the usual run times of what is before them. */
const late = `create function sla_late() returns bigint[] language plpgsql stable as $$
begin
  return array(
    with ${AT_RISK}
    select risky.id from risky join line on line.uuid = risky.task_id join lines on lines.name = risky.queue join template_runtimes r on r.template = risky.template
    where r.samples >= risky.min_samples
      and clock_timestamp() + make_interval(secs => (line.ahead_s + lines.running_s) / lines.slots + r.p90_s + risky.margin_ms / 1000.0) > risky.due_at);
end $$`;

/** The clocks are locked and moved by their ids: no more is read while they are. */
const predict = `create or replace function sla_predict() returns int language plpgsql as $$
declare
  n int;
  ids bigint[];
  moment timestamptz(3);
begin
  if not exists (select 1 from sla_clocks where kind = 'at_risk' and stopped_at is null) or not pg_try_advisory_xact_lock(hashtext('sla_predict')) then return 0; end if;
  ids := sla_late();
  moment := clock_timestamp();
  with free as (
    select id from sla_clocks where id = any(ids) and broken_at is null and stopped_at is null order by id for no key update skip locked)
  update sla_clocks c set limit_ms = (extract(epoch from moment - c.started_at) * 1000)::bigint, due_at = moment, next_at = moment, state = 'running'
    from free where c.id = free.id and (c.next_at is null or c.next_at > moment);
  get diagnostics n = row_count;
  return n;
end $$`;

/** A function as an earlier migration made it. */
function before(name: string): string {
  const made = SLA_CLOCKS.find((statement) => statement.startsWith(`create function ${name}()`));
  if (!made) throw new Error(`migration 0008 has no function ${name}`);
  return made.replace('create function', 'create or replace function');
}

/**
 * The figures that the planner has of open tasks and clocks are those of the last ANALYZE, which may have seen a hundredth of them. What these read is all that
 * is open, so joining by hash is never far from the best; a nested loop that looked cheap then takes seconds, and breaches are told that much later.
 */
const BY_HASH = ['sla_unpaused()', 'sla_late()'];
/** These fetch by key what is open or was found. */
const BY_KEY = ['sla_overpaused()', 'sla_predict()'];

const REPLACED = ['sla_repair', 'sla_predict'];

/** Clocks of SLAs are looked at in time, whatever the planner thinks of the tables. */
export class Migration0018SlaLooks extends Migration {
  override up(): void {
    for (const statement of [unpaused, overpaused, repair, late, predict]) this.addSql(statement);
    for (const name of BY_HASH) this.set(name, ['enable_nestloop = off', 'enable_seqscan = off', 'plan_cache_mode = force_custom_plan']);
    for (const name of BY_KEY) this.set(name, ['enable_hashjoin = off', 'enable_mergejoin = off', 'enable_seqscan = off']);
  }

  override down(): void {
    for (const name of REPLACED) {
      this.addSql(before(name));
      this.addSql(`alter function ${name}() reset all`);
      this.set(`${name}()`, ['plan_cache_mode = force_custom_plan']);
    }
    for (const name of ['sla_unpaused()', 'sla_overpaused()', 'sla_late()']) this.addSql(`drop function ${name}`);
  }

  private set(name: string, settings: readonly string[]): void {
    for (const setting of settings) this.addSql(`alter function ${name} set ${setting}`);
  }
}
