import { type Em, query } from '../../../entities/sql.ts';

/**
 * What is changed in the statements, or in the function of the database that `in` names, and the finding that must give it away. Each is a slip that
 * somebody could make.
 */
export type Bug = { name: string; from: string | RegExp; to: string; finding: RegExp; in?: string };

export const BUGS: readonly Bug[] = [
  {
    name: 'admission forgets the worker’s counters',
    from: 'used_cpu = used_cpu + n.cpu, used_memory = used_memory + n.memory\n  from (select worker',
    to: 'used_cpu = used_cpu\n  from (select worker',
    finding: /worker_counters|held on a worker|check/,
  },
  {
    name: 'an end gives the pool nothing back',
    from: 'used_cpu = used_cpu - n.cpu, used_memory = used_memory - n.memory, seq = pools.seq + n.n\n  from (select pool',
    to: 'used_cpu = used_cpu, seq = pools.seq + n.n\n  from (select pool',
    finding: /pool_counters/,
  },
  {
    name: 'an end leaves the queue full',
    from: 'current_load = current_load - n.n',
    to: 'current_load = current_load',
    finding: /queue_load/,
  },
  {
    name: 'an end keeps its grant',
    from: `where grants.runid = n.runid and coalesce(grants.released_at, 'infinity') = 'infinity'`,
    to: 'where false',
    finding: /grant_follows_instance/,
  },
  {
    name: 'an end forgets the fence',
    from: '(owned.epoch is null or instances.lease_epoch = owned.epoch)',
    to: 'true',
    finding: /finish of .* took effect/,
  },
  {
    name: 'a claim is won by the same execution twice',
    from: 'and lease_epoch < owned.execution',
    to: 'and lease_epoch <= owned.execution',
    finding: /claim of .* was won/,
  },
  {
    name: 'a claim asks no worker',
    from: 'and worker = $4 and status',
    to: `and $4::text is not null and status`,
    finding: /claim of .* was won|final/,
  },
  {
    name: 'an end does not see that somebody wanted to cancel',
    from: 'and ui.cancel and ui.stop_as is null then',
    to: 'and false then',
    finding: /although it was to be cancelled/,
  },
  {
    name: 'an end refunds quota of what completed',
    in: 'keep_quota_ledger()',
    from: `case when new.status = 'completed' or`,
    to: 'case when',
    finding: /quota/,
  },
  {
    name: 'a retry charges nothing',
    from: /used_quota \+ \$2 where/,
    to: 'used_quota + $2 * 0 where',
    finding: /quota/,
  },
  {
    name: 'a release leaves no trace',
    from: /insert into task_history[^)]*\)\s*select uuid, 'task', 'pending', 'queued'.*$/s,
    to: 'select uuid from t',
    finding: /history_is_gapless/,
  },
  {
    name: 'rooms are looked at without locks',
    from: / order by (name|id) for no key update(?! skip locked)/g,
    to: ' order by $1',
    finding: /check constraint|counters|queue_load/,
  },
  {
    name: 'candidates are taken without locks',
    from: /\n *where tasks\.status.{0,6} = 'queued' and not tasks\.parked order by tasks\.uuid for no key update of tasks skip locked([\s\S]*?)and tasks\.status.{0,6} = 'queued' and not tasks\.parked/,
    to: '$1',
    finding: /./,
  },
  {
    name: 'an admission takes one token for all of a pass',
    from: 'greatest(b.full_us, $3::int8) + t.n * b.interval_us',
    to: 'greatest(b.full_us, $3::int8) + least(t.n, 1) * b.interval_us',
    finding: /rate_limits_replayed/,
  },
  {
    name: 'a bucket is not asked when its tasks may go on',
    from: 'set throttled = true from x where tasks.uuid = x.uuid returning x.rate_key),\na as (\n  update rate_buckets set ready_at = to_timestamp(ceil(b.ready_us / 1000.0) / 1000)',
    to: 'set throttled = true from x where tasks.uuid = x.uuid returning x.rate_key),\na as (\n  update rate_buckets set ready_at = null',
    finding: /throttled_tasks_are_remembered|never ended/,
  },
  {
    name: 'an admission counts no attempt',
    from: 'attempt = attempt + 1, status_reason',
    to: 'attempt = attempt + 2, status_reason',
    finding: /attempts that are not numbered/,
  },
  {
    name: 'log lines are counted from where they are not',
    from: 'coalesce(max(seq), 0) + 1 as next_seq',
    to: 'coalesce(max(seq), 0) + 2 as next_seq',
    finding: /logs_are_gapless/,
  },
];

/** The text of a function of the database. */
export async function definitionOf(em: Em, name: string): Promise<string> {
  const [row] = await query<{ text: string }>(em, 'select pg_get_functiondef($1::regprocedure) as text', [name]);
  return row?.text ?? '';
}
