import { PgBoss } from 'pg-boss';
import { serve } from './remote.ts';
import { LOAD, type Mode, PAYLOAD, type PeerRun, steadyRate } from './steady.ts';

export type PeerOptions = { database_url: string };

const QUEUE = 'bench';
/** Taken together and stored together; the queue is asked for more while it gives full batches. */
const WORK = {
  batchSize: 100,
  localConcurrency: 2,
  pollingIntervalSeconds: 0.5,
  burstWhenBatchFull: true,
  burstWhenReadyExceeds: 1,
  perJobResults: true,
} as const;

/** pg-boss with one record per job, its result in it; job by job submitted, or in bulk. */
async function open({ database_url }: PeerOptions) {
  const boss = new PgBoss({ connectionString: database_url, max: 10, schedule: false });
  boss.on('error', (error) => process.stderr.write(`${error}\n`));
  await boss.start();
  await boss.createQueue(QUEUE);
  let completed = 0;
  const work = async (jobs: { id: string }[]) => {
    completed += jobs.length;
    return jobs.map(({ id }) => ({ id, status: 'completed' as const, output: { payload: PAYLOAD } }));
  };
  await boss.work(QUEUE, WORK, work);
  const bulk = Array.from({ length: LOAD.bulk.size }, () => ({ data: { payload: PAYLOAD } }));
  const submit: Record<Mode, () => Promise<unknown>> = {
    one: () => boss.send(QUEUE, { payload: PAYLOAD }),
    bulk: () => boss.insert(QUEUE, bulk),
  };
  const run = ({ mode, seconds }: PeerRun) => steadyRate({ ...LOAD[mode], seconds, submit: submit[mode], completed: () => completed });
  return { methods: { run }, close: () => boss.stop({ graceful: false }) };
}

await serve(open);
