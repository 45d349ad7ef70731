import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Context } from '@temporalio/activity';
import { Client, type WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import proto, { type temporal } from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { EngineInput, InstanceInput, InstanceReport } from '../../core/workflow-contract.ts';
import { installRuntime } from '../../platform/temporal-runtime.ts';
import { bundleWorkflows } from '../../platform/workflow-bundle.ts';
import { temporalAddress } from '../support/database.ts';

let code: string;
let connection: NativeConnection;
beforeAll(async () => {
  installRuntime(pino({ level: 'silent' }));
  code = await bundleWorkflows();
  connection = await NativeConnection.connect({ address: temporalAddress() });
});
afterAll(async () => {
  await connection.close();
});

const input: InstanceInput = { runid: 'r', task_id: 't', attempt: 1, timeout_s: 30, heartbeat_timeout_s: 10, title: 'test' };
type Fakes = {
  shell: (input: EngineInput) => Promise<InstanceReport>;
  finishInstances?: (item: { outcome: { status: string; code: string } }) => Promise<InstanceReport>;
};

/** With RECORD_HISTORIES set, what happened becomes the fixture of this name (protobuf in base64), which the replay test runs again. */
async function record(name: string, history: temporal.api.history.v1.IHistory): Promise<void> {
  if (!process.env.RECORD_HISTORIES) return;
  const bytes = proto.temporal.api.history.v1.History.encode(history).finish();
  const file = path.join(import.meta.dirname, 'histories', `${name}.json`);
  await writeFile(file, `${JSON.stringify({ name, history: Buffer.from(bytes).toString('base64') }, null, 1)}\n`);
}

/** Runs one shellTask against these activities; `during` gets its handle. */
async function run(fakes: Fakes, during?: (handle: { cancel(): Promise<unknown> }) => Promise<void>, more: Partial<InstanceInput> = {}) {
  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({ connection, taskQueue, workflowBundle: { code }, activities: fakes, identity: 'test' });
  const client = new Client({ connection, identity: 'test' });
  return await worker.runUntil(async () => {
    const handle = await client.workflow.start('shellTask', { taskQueue, workflowId: taskQueue, args: [{ ...input, ...more }] });
    await during?.(handle);
    const result = await handle.result().catch((error: unknown) => error);
    const { status } = await handle.describe();
    const history = await handle.fetchHistory();
    await record(expect.getState().currentTestName?.replaceAll(/[^a-z]+/gi, '-') ?? 'unnamed', history);
    return { result, status: status.name, history };
  });
}

const failure = (result: unknown): ApplicationFailure => (result as WorkflowFailedError).cause as ApplicationFailure;

test('an instance that completes costs one activity', async () => {
  const { result, status, history } = await run({ shell: async () => ({ status: 'completed', code: 'ok' }) });
  expect(result).toEqual({ status: 'completed', code: 'ok' });
  expect(status).toBe('COMPLETED');
  expect(history.events?.filter(({ activityTaskScheduledEventAttributes: a }) => a).length).toBe(1);
  expect(history.events?.some(({ upsertWorkflowSearchAttributesEventAttributes: a }) => a)).toBe(false);
});

test.each(['failed', 'timed_out', 'lost', 'cancelled'] as const)(
  'an instance that ends as %s makes the workflow fail with its code',
  async (ended) => {
    const { result, status } = await run({ shell: async () => ({ status: ended, code: 'some_code' }) });
    expect(status).toBe('FAILED');
    expect(failure(result)).toBeInstanceOf(ApplicationFailure);
    expect(failure(result).type).toBe('some_code');
  },
);

test('an execution that throws is tried again by Temporal', async () => {
  let executions = 0;
  const shell = async (): Promise<InstanceReport> => {
    executions += 1;
    if (executions < 2) throw new Error('the surroundings');
    return { status: 'completed', code: 'ok' };
  };
  expect((await run({ shell })).status).toBe('COMPLETED');
  expect(executions).toBe(2);
});

test('where the activity fails for good, the instance is ended by the fallback with the code of the failure', async () => {
  const ends: unknown[] = [];
  const { result } = await run({
    shell: async () => {
      throw ApplicationFailure.nonRetryable('broken', 'broken_engine');
    },
    finishInstances: async ({ outcome }) => {
      ends.push(outcome);
      return { status: 'failed', code: outcome.code };
    },
  });
  expect(ends).toMatchObject([{ status: 'failed', code: 'broken_engine' }]);
  expect(failure(result).type).toBe('broken_engine');
});

test('an instance cancelled through Temporal is ended, even when its activity never answers, and shown as cancelled', async () => {
  const ends: unknown[] = [];
  let begun: () => void = () => undefined;
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { result, status } = await run(
    {
      shell: async () => {
        begun();
        const beat = setInterval(() => Context.current().heartbeat(), 100);
        return await Context.current().cancelled.finally(() => clearInterval(beat));
      },
      finishInstances: async ({ outcome }) => {
        ends.push(outcome);
        return { status: 'cancelled', code: 'cancelled' };
      },
    },
    async (handle) => {
      await running;
      await handle.cancel();
    },
  );
  expect(ends).toMatchObject([{ status: 'cancelled' }]);
  expect(status).toBe('CANCELLED');
  expect(failure(result)).toBeInstanceOf(CancelledFailure);
});

test('an execution that was superseded says nothing and closes its workflow', async () => {
  const { result } = await run({ shell: async () => ({ status: 'superseded', code: 'superseded' }) });
  expect(result).toEqual({ status: 'superseded', code: 'superseded' });
});

const short = { patience_ms: 300 };
const scheduled = ({ events }: temporal.api.history.v1.IHistory) =>
  (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: a }) => (a ? [a.activityId] : []));

test('short work costs no activity of its own', async () => {
  const { result, history } = await run({ shell: async () => ({ status: 'completed', code: 'ok' }) }, undefined, short);
  expect(result).toEqual({ status: 'completed', code: 'ok' });
  expect(scheduled(history)).toEqual([]);
});

test('work that is not over within its patience goes on under one activity', async () => {
  const inputs: EngineInput[] = [];
  const shell = async (given: EngineInput): Promise<InstanceReport> => {
    inputs.push(given);
    return given.patience_ms ? { status: 'going_on', code: '' } : { status: 'completed', code: 'ok' };
  };
  const { result, history } = await run({ shell }, undefined, short);
  expect(result).toEqual({ status: 'completed', code: 'ok' });
  expect(inputs).toEqual([
    { runid: 'r', patience_ms: 300 },
    { runid: 'r', earlier: 1 },
  ]);
  expect(scheduled(history)).toEqual(['engine']);
});

test('short work that could not even begin is taken up by an activity that is tried again', async () => {
  let executions = 0;
  const shell = async (): Promise<InstanceReport> => {
    executions += 1;
    if (executions < 3) throw new Error('the surroundings');
    return { status: 'completed', code: 'ok' };
  };
  expect((await run({ shell }, undefined, short)).status).toBe('COMPLETED');
  expect(executions).toBe(3);
});
