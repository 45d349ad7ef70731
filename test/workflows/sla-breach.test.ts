import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ApplicationFailure, Client, type WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { SlaActionReport } from '../../core/workflow-contract.ts';
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
afterAll(async () => await connection.close());

/** With RECORD_HISTORIES set, what happened becomes a fixture of the replay test, as in execute-instance.test.ts. */
async function record(handle: WorkflowHandle): Promise<void> {
  if (!process.env.RECORD_HISTORIES) return;
  const name = expect.getState().currentTestName?.replaceAll(/[^a-z]+/gi, '-') ?? 'unnamed';
  const bytes = proto.temporal.api.history.v1.History.encode(await handle.fetchHistory()).finish();
  const file = path.join(import.meta.dirname, 'histories', `${name}.json`);
  await writeFile(file, `${JSON.stringify({ name, history: Buffer.from(bytes).toString('base64') }, null, 1)}\n`);
}

type Act = (no: number, look: number) => SlaActionReport;

/** Runs one `slaBreach` over so many actions; `act` answers the n-th look at each of them, or throws. */
async function run(actions: number, act: Act): Promise<{ reports: SlaActionReport[]; looks: number[] }> {
  const taskQueue = `test-${randomUUID()}`;
  const looks: number[] = [];
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { code },
    identity: 'test',
    activities: {
      prepareBreach: async () => ({ actions: Array.from({ length: actions }, (_, no) => ({ no, kind: 'notify' })) }),
      actOnBreach: async ({ no }: { no: number }) => {
        looks.push(no);
        return act(no, looks.filter((seen) => seen === no).length);
      },
    },
  });
  const client = new Client({ connection, identity: 'test' });
  return await worker.runUntil(async () => {
    const handle = await client.workflow.start('slaBreach', { taskQueue, workflowId: taskQueue, args: [{ breach_id: 'b' }] });
    const reports = (await handle.result()) as SlaActionReport[];
    await record(handle);
    return { reports, looks };
  });
}

const report = (no: number, state: SlaActionReport['state']): SlaActionReport => ({ no, kind: 'notify', state, code: null });

test('each local action of a breach is carried out in its order and reported', async () => {
  const { reports, looks } = await run(3, (no) => report(no, no === 1 ? 'skipped' : 'done'));
  expect(looks).toEqual([0, 1, 2]);
  expect(reports.map(({ no, state }) => `${no} ${state}`)).toEqual(['0 done', '1 skipped', '2 done']);
});

test('one local action of a breach that is interrupted is tried again before the next', async () => {
  const { reports, looks } = await run(2, (no, look) => {
    if (no === 0 && look < 3) throw ApplicationFailure.retryable('interrupted', 'surroundings');
    return report(no, 'done');
  });
  expect(looks).toEqual([0, 0, 0, 1]);
  expect(reports).toHaveLength(2);
});

test('one local action of a breach that has to wait for another SLA is looked at again', async () => {
  const { reports, looks } = await run(1, (no, look) => report(no, look < 3 ? 'waiting' : 'suppressed'));
  expect(looks).toEqual([0, 0, 0]);
  expect(reports).toEqual([report(0, 'suppressed')]);
});

test('one breach without local actions ends at once', async () => {
  expect(await run(0, (no) => report(no, 'done'))).toEqual({ reports: [], looks: [] });
});
