import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import type { PeerOptions } from './peer-pg-boss.ts';
import { serve } from './remote.ts';
import { PAYLOAD, type PeerRun, steadyRate } from './steady.ts';

const CONNECTIONS = 24;

const TABLES = `
create table if not exists floor_tasks (uuid uuid primary key, status text not null, parameters jsonb not null, result jsonb, created_at timestamptz not null default now(), completed_at timestamptz);
create table if not exists floor_instances (runid uuid primary key, task_id uuid not null references floor_tasks, status text not null, result jsonb, created_at timestamptz not null default now(), completed_at timestamptz);
create table if not exists floor_history (id bigint generated always as identity primary key, task_id uuid not null references floor_tasks, status text not null, created_at timestamptz not null default now())`;

const BODY = JSON.stringify({ payload: PAYLOAD });

/** Submit, start, end: three statements that commit, of two row writes each. The least that a task with a record of its attempts can cost one by one. */
const LIFE = [
  `with t as (insert into floor_tasks (uuid, status, parameters) values ($1, 'queued', $2) returning uuid) insert into floor_history (task_id, status) select uuid, 'queued' from t`,
  `with t as (update floor_tasks set status = 'running' where uuid = $1 returning uuid) insert into floor_instances (runid, task_id, status) select $2, uuid, 'running' from t`,
  `with t as (update floor_tasks set status = 'completed', result = $3, completed_at = now() where uuid = $1) update floor_instances set status = 'completed', result = $3, completed_at = now() where runid = $2`,
];

async function live(pool: pg.Pool): Promise<void> {
  const [uuid, runid] = [uuidv7(), uuidv7()];
  const values = [
    [uuid, BODY],
    [uuid, runid],
    [uuid, runid, BODY],
  ];
  for (const [n, text] of LIFE.entries()) await pool.query({ name: `life ${n}`, text, values: values[n] as string[] });
}

async function open({ database_url }: PeerOptions) {
  const pool = new pg.Pool({ connectionString: database_url, max: CONNECTIONS });
  await pool.query(TABLES);
  let completed = 0;
  const submit = async () => {
    await live(pool);
    completed += 1;
  };
  const run = ({ seconds }: PeerRun) =>
    steadyRate({ seconds, clients: CONNECTIONS, size: 1, ahead: CONNECTIONS, submit, completed: () => completed });
  return { methods: { run }, close: () => pool.end() };
}

await serve(open);
