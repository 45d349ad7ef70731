/**
 * The ledger of the quota, kept where a task changes its state, whoever changes it. A task's cost is reserved when it is accepted, and when it is
 * queued again after a refund; at its end the reservation is committed once if something was produced (it completed, or a scene of it did),
 * else refunded once. Tasks without a cost do not call the function.
 */
const keep = `create function keep_quota_ledger() returns trigger language plpgsql as $$
declare
  last quota_ledger;
  ending text;
begin
  if tg_op = 'UPDATE' then
    select * into last from quota_ledger where task_id = new.uuid order by round desc, id desc limit 1;
  end if;
  if new.status not in ('completed', 'failed', 'cancelled') then
    if last.id is null or last.kind = 'refund' then
      insert into quota_ledger (user_id, task_id, round, kind, amount)
      values (new.user_id, new.uuid, coalesce(last.round, 0) + 1, 'reserve', new.quota_cost);
    end if;
    return null;
  end if;
  if last.kind is distinct from 'reserve' then
    return null;
  end if;
  ending := case when new.status = 'completed' or new.completed_scenes > 0 then 'commit' else 'refund' end;
  insert into quota_ledger (user_id, task_id, round, kind, amount) values (last.user_id, new.uuid, last.round, ending, last.amount)
    on conflict do nothing;
  if found and ending = 'refund' then
    update users set used_quota = greatest(0, used_quota - last.amount) where id = last.user_id;
  end if;
  return null;
end $$`;

/** Tasks of before: what was charged stands as reserved; what ended badly was refunded at once. */
const earlier = `insert into quota_ledger (user_id, task_id, round, kind, amount)
  select user_id, uuid, 1, 'reserve', quota_cost from tasks where quota_cost > 0
  union all select user_id, uuid, 1, case when status = 'completed' then 'commit' else 'refund' end, quota_cost
  from tasks where quota_cost > 0 and status in ('completed', 'failed', 'cancelled')`;

export const QUOTA = [
  earlier,
  keep,
  `create trigger keep_quota_ledger_insert after insert on tasks for each row when (new.quota_cost > 0) execute function keep_quota_ledger()`,
  `create trigger keep_quota_ledger_update after update on tasks for each row
    when (new.quota_cost > 0 and new.status <> old.status) execute function keep_quota_ledger()`,
  `create trigger refuse_update before update on quota_ledger for each row execute function refuse_change()`,
];

export const QUOTA_DOWN = [
  'drop trigger if exists keep_quota_ledger_insert on tasks',
  'drop trigger if exists keep_quota_ledger_update on tasks',
  'drop function if exists keep_quota_ledger()',
];

const REFUND = `,
  u as (
    update users set used_quota = greatest(0, used_quota - n.cost)
    from (select user_id, sum(quota_cost)::int4 as cost from t where status = 'cancelled' and before <> 'cancelled' and quota_cost > 0 group by user_id) n
    where users.id = n.user_id)`;
const BEFORE_IT = 'plan.pending_reason as reason_before)';

/** Changes the text of a function as it stands in the database, whatever else was changed in it. */
const rewritten = (from: string, to: string): string => `do $do$
declare
  before text := pg_get_functiondef('settle_dependents()'::regprocedure);
  after text := replace(before, $text$${from}$text$, $text$${to}$text$);
begin
  if after = before then raise exception 'settle_dependents is not as expected'; end if;
  execute after;
end $do$`;

/** The function that cancels dependents leaves their refunds to the ledger. */
export const SETTLE_NOW = rewritten(BEFORE_IT + REFUND, BEFORE_IT);
export const SETTLE_BEFORE = rewritten(BEFORE_IT, BEFORE_IT + REFUND);
