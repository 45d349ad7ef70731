import { DEPENDENTS } from './0003-triggers.ts';

/**
 * The order key of a task, as `vtimeOf` in core/order.ts has it; a test compares the two. With a deadline, the task is expected to take what nine of ten of its template
 * took, at most its time-out, which stands for it without history.
 */
const vtime = `create function task_vtime(eligible_at timestamptz, priority int, step_s int, deadline timestamptz, timeout int, of_template text)
returns timestamptz language sql stable as $$
  select case when deadline is null then eligible_at - make_interval(secs => priority * step_s)
    else greatest(eligible_at - make_interval(secs => 100 * step_s), least(eligible_at - make_interval(secs => priority * step_s),
      deadline - make_interval(secs => 120 + 100 * step_s + least(timeout, coalesce((select r.p90_s from template_runtimes r where r.template = of_template), timeout))))) end
$$`;

/** A task that is queued anew is looked at again before it waits for a token. */
const rate = `create function keep_rate() returns trigger language plpgsql as $$
begin
  new.throttled := false;
  return new;
end $$`;

const replaced = (sql: string): string => sql.replace('create function', 'create or replace function');

/** What waited for a task is locked with its users and keys before it is settled, and a deadline counts for its place. */
const settle = (): string => {
  const [before = ''] = DEPENDENTS;
  return replaced(before)
    .replace('order by uuid for no key update;', 'order by uuid for no key update;\n  perform lock_costs(tasks_hit);')
    .replace(
      'then plan.eligible_at - make_interval(secs => tasks.priority * plan.step_s)',
      'then task_vtime(plan.eligible_at, tasks.priority, plan.step_s, tasks.deadline, tasks.timeout, tasks.template)',
    );
};

export const FUNCTIONS = [
  vtime,
  rate,
  `create trigger keep_rate before update on tasks for each row
    when (new.rate_key is not null and new.status = 'queued' and old.status <> 'queued') execute function keep_rate()`,
  settle(),
];

export const FUNCTIONS_DOWN = [
  replaced(DEPENDENTS[0] ?? ''),
  'drop trigger if exists keep_rate on tasks',
  'drop function if exists keep_rate()',
  'drop function if exists task_vtime(timestamptz, int, int, timestamptz, int, text)',
];
