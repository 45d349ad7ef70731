import { type AtRisk, appliesTo, type Condition, type Member } from '../core/sla.ts';
import { combined, crossedAt, type LeafSample, pathsOf, ruleOf } from '../core/sla-sample.ts';
import { nextWatch, type Sample, type WatchState, type WatchStep } from '../core/sla-watch.ts';
import { type Em, query } from '../entities/sql.ts';
import { type Memory, type Subject, sampleLeaf } from './sample-group.ts';

/** How often each condition of each group is sampled. */
const EVERY_S = 5;
const MOST = 100;

type Wanted = {
  sla_id: number;
  sla_version_id: number;
  condition_id: number;
  path: string;
  name: string;
  fingerprint: string;
  spec: Member | AtRisk;
  subject_type: Subject['type'];
  subject_id: string;
  bound_at: string;
};

/**
 * Brings the watches to what SLAs say and are attached to now: new ones begin, those whose condition changed begin anew, those of what is no longer watched go, and their
 * breaches are resolved. A change that leaves a condition as it was leaves its watch as it is.
 */
export async function syncWatches(em: Em): Promise<void> {
  const wanted = (await query<Wanted>(em, WANTED)).filter(({ spec, subject_type }) => appliesTo(spec, subject_type));
  const rows = wanted.map(({ spec: _, ...row }) => row);
  await query(em, SYNC, [JSON.stringify(rows)]);
}

const WANTED = `
select s.id as sla_id, v.id::int4 as sla_version_id, k.id::int4 as condition_id, k.path, k.name, k.fingerprint, k.spec, b.type as subject_type, b.id as subject_id,
  greatest(b.since, s.enabled_at) as bound_at
from slas s join sla_versions v on v.sla_id = s.id and v.version = s.current_version
  join sla_conditions k on k.sla_version_id = v.id and k.subject = 'group' and k.parent is null
  join (
    select 'pool' as type, name as id, sla_id, sla_since as since from pools union all select 'queue', name, sla_id, sla_since from queues
    union all select 'template', name, sla_id, sla_since from templates
    union all select 'schedule', id::text, sla_id, sla_since from schedules where deleted_at is null) b on b.sla_id = s.id
where s.enabled and s.deleted_at is null`;

const SAME = `w.sla_id = x.sla_id and w.name = x.name and w.subject_type = x.subject_type and w.subject_id = x.subject_id`;

const SYNC = `
with x as (select * from jsonb_to_recordset($1::jsonb) as x(sla_id int4, sla_version_id int8, condition_id int8, path text, name text, fingerprint text, subject_type text,
    subject_id text, bound_at timestamptz)),
old as (
  select w.id from sla_watches w where not exists (select 1 from x where ${SAME} and w.fingerprint = x.fingerprint and w.bound_at = x.bound_at) for update skip locked),
gone as (delete from sla_watches w using old where w.id = old.id returning w.breach_id),
resolved as (
  update breaches b set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = 'engine', snoozed_until = null, note = 'no longer watched', seq = null
  from gone where b.id = gone.breach_id and b.state <> 'resolved'),
moved as (
  update sla_watches w set sla_version_id = x.sla_version_id, condition_id = x.condition_id, path = x.path
  from x where ${SAME} and w.fingerprint = x.fingerprint and w.bound_at = x.bound_at and w.condition_id <> x.condition_id)
insert into sla_watches (sla_id, sla_version_id, condition_id, path, name, fingerprint, subject_type, subject_id, bound_at)
select sla_id, sla_version_id, condition_id, path, name, fingerprint, subject_type, subject_id, bound_at from x
where not exists (select 1 from sla_watches w where ${SAME}) on conflict do nothing`;

type Watch = {
  id: number;
  condition: Condition;
  path: string;
  subject_type: Subject['type'];
  subject_id: string;
  bound_at: number;
  state: WatchState;
  since: number | null;
  memory: Record<string, Memory>;
  now: number;
};

/**
 * Samples what is due, each watch in a transaction of its own; any number of processes share them.
 * @returns how many breaches began or ended
 */
export async function sampleWatches(em: Em): Promise<number> {
  let events = 0;
  for (let n = 0; n < MOST; n += 1) {
    const event = await em.transactional(async (tx) => await sampleNext(tx as Em));
    if (event === null) return events;
    events += event ? 1 : 0;
  }
  return events;
}

/** @returns null: nothing is due; else whether a breach began or ended */
async function sampleNext(em: Em): Promise<boolean | null> {
  const [watch] = await query<Watch>(em, NEXT);
  if (!watch) return null;
  const { sample, memory } = await takeSample(em, watch);
  const step = nextWatch(ruleOf(watch.condition), watch, sample);
  await query(em, STORE, [watch.id, step.state, iso(step.since), sample.value, JSON.stringify(memory), EVERY_S]);
  if (step.event) await tell(em, { watch, step, sample });
  return step.event !== null;
}

const NEXT = `
select w.id::int4 as id, k.spec as condition, w.path, w.subject_type, w.subject_id, (extract(epoch from w.bound_at) * 1000)::float8 as bound_at, w.state,
  (extract(epoch from w.since_at) * 1000)::float8 as since, w.memory, (extract(epoch from clock_timestamp()) * 1000)::float8 as now
from sla_watches w join sla_conditions k on k.id = w.condition_id where w.next_at <= clock_timestamp() order by w.next_at limit 1 for no key update of w skip locked`;

const STORE = `update sla_watches set state = $2, since_at = $3, value = $4, memory = $5::jsonb, next_at = clock_timestamp() + make_interval(secs => $6) where id = $1`;

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

type Taken = { sample: Sample; memory: Record<string, Memory> };

async function takeSample(em: Em, watch: Watch): Promise<Taken> {
  const { condition, path, now: at } = watch;
  const subject: Subject = { type: watch.subject_type, id: watch.subject_id, bound_at: watch.bound_at };
  const values = new Map<string, LeafSample>();
  const memory: Record<string, Memory> = {};
  for (const { leaf, path: place } of pathsOf(condition as Member, path)) {
    const found = await sampleLeaf(em, leaf, { subject, at, memory: watch.memory[place] ?? {} });
    values.set(place, { leaf, value: found.value });
    memory[place] = found.memory;
  }
  const single = values.get(path);
  if (single) return { memory, sample: { value: single.value, at, crossed_at: crossedAt(single, at) } };
  return { memory, sample: { value: combined(condition as Member, values, path) ? 1 : 0, at, crossed_at: null } };
}

type Told = { watch: Watch; step: WatchStep; sample: Sample };

async function tell(em: Em, { watch, step, sample }: Told): Promise<void> {
  const at = iso(step.event?.at ?? null);
  if (step.event?.kind === 'clear') return void (await query(em, CLEAR, [watch.id, at, sample.value]));
  const detail = { reason: 'group', value: sample.value, limit: ruleOf(watch.condition).limit };
  await query(em, BREACH, [watch.id, at, JSON.stringify(detail)]);
}

const BREACH = `
with b as (
  insert into breaches (sla_id, sla_version_id, path, condition, kind, stage, epoch, subject_type, subject_id, scope, due_at, fired_at, detail)
  select w.sla_id, w.sla_version_id, w.path, w.name, k.kind, 100, n.epoch, w.subject_type, w.subject_id, w.subject_type || ':' || w.subject_id, $2, clock_timestamp(), $3::jsonb
  from sla_watches w join sla_conditions k on k.id = w.condition_id, lateral (
    select greatest(w.epoch, coalesce(max(o.epoch), 0)) + 1 as epoch from breaches o where o.sla_version_id = w.sla_version_id
      and o.subject_type = w.subject_type and o.subject_id = w.subject_id and o.path = w.path and o.stage = 100) n
  where w.id = $1 returning id, epoch)
update sla_watches set breach_id = b.id, epoch = b.epoch from b where sla_watches.id = $1`;

const CLEAR = `
update breaches b set state = 'resolved', resolved_at = $2, resolved_by = 'engine', snoozed_until = null, note = 'the value is ' || coalesce($3::float8::text, 'unknown'), seq = null
from sla_watches w where w.id = $1 and b.id = w.breach_id and b.state <> 'resolved'`;
