import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createBareActivities } from './bare-activities.ts';
import { nowMs } from './now.ts';
import { serve } from './remote.ts';

export type BareOptions = { address: string; namespace: string };

/** `prefix` of the workflow ids; `count` workflows, `in_flight` starts at once, `pause_ms` after each. */
export type BareStarts = { prefix: string; count: number; in_flight: number; pause_ms: number };

/** Wall-clock milliseconds of each start request and of each activity's first line, by workflow. */
export type BareTimes = { sent_ms: number[]; began_ms: number[] };

type Bare = { client: Client; began: EventEmitter; begun(): number };

const TASK_QUEUE = 'bench-bare';

/** Those of the product's worker (`worker/temporal-worker.ts`): also without a build id, which spares each workflow an upsert. */
const TUNING = {
  buildId: '',
  maxConcurrentWorkflowTaskExecutions: 40,
  maxConcurrentActivityTaskExecutions: 1_000,
  workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
  activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
  maxCachedWorkflows: 1_000,
  workflowThreadPoolSize: 1,
} as const;

/** Starts workflows eagerly on the worker's own connection and waits until all activities have begun. @returns when each was asked for */
async function start({ client, began, begun }: Bare, { prefix, count, in_flight, pause_ms }: BareStarts): Promise<number[]> {
  const goal = begun() + count;
  const sent_ms: number[] = [];
  const starter = async () => {
    while (sent_ms.length < count) {
      const n = sent_ms.push(nowMs()) - 1;
      await client.workflow.start('bareTask', { taskQueue: TASK_QUEUE, workflowId: `${prefix}/${n}`, requestEagerStart: true });
      if (pause_ms > 0) await sleep(pause_ms);
    }
  };
  await Promise.all(Array.from({ length: in_flight }, starter));
  while (begun() < goal) await once(began, 'began');
  return sent_ms;
}

async function startAndTime(bare: Bare, request: BareStarts): Promise<BareTimes> {
  const sent_ms = await start(bare, request);
  const results = sent_ms.map((_, n) => bare.client.workflow.getHandle(`${request.prefix}/${n}`).result() as Promise<{ began_ms: number }>);
  return { sent_ms, began_ms: (await Promise.all(results)).map((result) => result.began_ms) };
}

async function open({ address, namespace }: BareOptions) {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const connection = await NativeConnection.connect({ address, grpcCompression: { codec: 'none' } });
  const began = new EventEmitter();
  let count = 0;
  const activities = createBareActivities(() => {
    count += 1;
    began.emit('began');
  });
  const workflowsPath = fileURLToPath(new URL('bare-workflow.ts', import.meta.url));
  const worker = await Worker.create({ connection, namespace, taskQueue: TASK_QUEUE, workflowsPath, activities, ...TUNING });
  const running = worker.run();
  const bare: Bare = { client: new Client({ connection, namespace }), began, begun: () => count };
  const methods = {
    start: (request: BareStarts) => start(bare, request),
    startAndTime: (request: BareStarts) => startAndTime(bare, request),
  };
  const close = async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
  return { methods, close };
}

export type BareMethods = Awaited<ReturnType<typeof open>>['methods'];

await serve(open);
