import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EngineError } from '../core/errors.ts';

/** What the database says about submitted tasks. */
export type TaskProbe = {
  /** Waits until all are completed. @returns when the last one's result was stored, epoch milliseconds. @throws EngineError timeout, internal: one failed */
  completed(ids: readonly string[]): Promise<number>;
  /** When the engine began each task, in the order of `ids`, epoch milliseconds. */
  beganMs(ids: readonly string[]): Promise<number[]>;
  /** Of tasks that ran one after the other: from the release of each one's grant to the claim of the next, milliseconds. */
  gapsMs(ids: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
};

/** Rare, because it competes with what is measured; the times themselves come from the rows. */
const POLL_MS = 50;
const LIMIT_MS = 300_000;

const STATE = `
select count(*) filter (where t.status = 'completed')::int4 as completed, count(*) filter (where t.status in ('failed', 'cancelled'))::int4 as ended_badly,
  extract(epoch from max(t.completed_at))::float8 * 1000 as last_ms
from unnest($1::uuid[]) as wanted(uuid) join tasks t on t.uuid = wanted.uuid`;

/** The task submitted last is among the last to end, and one row by its key costs the measured database next to nothing. */
const ENDED = `select completed_at is not null as ended from tasks where uuid = $1`;

const BEGAN = `
select (t.result->>'began_ms')::float8 as began_ms
from unnest($1::uuid[]) with ordinality as wanted(uuid, n) join tasks t on t.uuid = wanted.uuid order by n`;

const GAPS = `
select extract(epoch from start_time - released_before)::float8 * 1000 as ms from (
  select i.start_time, lag(g.released_at) over (order by g.acquire_seq) as released_before
  from grants g join instances i on i.runid = g.runid where i.task_id = any($1::uuid[])) g where released_before is not null`;

type State = { completed: number; ended_badly: number; last_ms: number };

/** @throws EngineError when waiting longer is of no use */
function judge({ completed, ended_badly }: State, count: number, until: number): void {
  if (ended_badly > 0) throw new EngineError('internal', `${ended_badly} of ${count} tasks failed; expected none to`);
  if (Date.now() > until) throw new EngineError('timeout', `${completed} of ${count} tasks completed within ${LIMIT_MS / 1000} s`);
}

export async function openTaskProbe(database_url: string): Promise<TaskProbe> {
  const client = new pg.Client({ connectionString: database_url, application_name: 'bench' });
  await client.connect();

  const ended = async (id: string) =>
    (await client.query<{ ended: boolean }>({ name: 'ended', text: ENDED, values: [id] })).rows[0]?.ended === true;

  const completed = async (ids: readonly string[]) => {
    const until = Date.now() + LIMIT_MS;
    while (!(await ended(ids.at(-1) ?? '')) && Date.now() < until) await sleep(POLL_MS);
    for (;;) {
      const state = (await client.query<State>(STATE, [ids])).rows[0] as State;
      if (state.completed === ids.length) return state.last_ms;
      judge(state, ids.length, until);
      await sleep(POLL_MS);
    }
  };

  const beganMs = async (ids: readonly string[]) =>
    (await client.query<{ began_ms: number }>(BEGAN, [ids])).rows.map((row) => row.began_ms);

  const gapsMs = async (ids: readonly string[]) => (await client.query<{ ms: number }>(GAPS, [ids])).rows.map(({ ms }) => ms);

  return { completed, beganMs, gapsMs, close: () => client.end() };
}
