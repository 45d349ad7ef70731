import { makeWorkerUtils, run as runWorker } from 'graphile-worker';
import pg from 'pg';
import type { PeerOptions } from './peer-pg-boss.ts';
import { serve } from './remote.ts';
import { LOAD, type Mode, PAYLOAD, type PeerRun, steadyRate } from './steady.ts';

const TABLE =
  'create table if not exists bench_results (id bigint generated always as identity primary key, result jsonb not null, at timestamptz not null default now())';
const RESULT = { name: 'result', text: 'insert into bench_results (result) values ($1)', values: [JSON.stringify({ payload: PAYLOAD })] };

/** graphile-worker; it keeps no record of what is done, so each job writes a row with its result. */
async function open({ database_url }: PeerOptions) {
  const pool = new pg.Pool({ connectionString: database_url, max: 10 });
  await pool.query(TABLE);
  let completed = 0;
  const job = async () => {
    await pool.query(RESULT);
    completed += 1;
  };
  const worker = { concurrentJobs: 24, pollInterval: 500, localQueue: { size: 200 }, completeJobBatchDelay: 0 };
  const runner = await runWorker({
    connectionString: database_url,
    maxPoolSize: 10,
    noHandleSignals: true,
    taskList: { job },
    preset: { worker },
  });
  const utils = await makeWorkerUtils({ connectionString: database_url, maxPoolSize: 2 });
  const bulk = Array.from({ length: LOAD.bulk.size }, () => ({ identifier: 'job', payload: { payload: PAYLOAD } }));
  const submit: Record<Mode, () => Promise<unknown>> = {
    one: () => runner.addJob('job', { payload: PAYLOAD }),
    bulk: () => utils.addJobs(bulk),
  };
  const run = ({ mode, seconds }: PeerRun) => steadyRate({ ...LOAD[mode], seconds, submit: submit[mode], completed: () => completed });
  const close = async () => {
    await runner.stop();
    await utils.release();
    await pool.end();
  };
  return { methods: { run }, close };
}

await serve(open);
