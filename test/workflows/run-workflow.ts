import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from '@temporalio/client';
import proto, { type temporal } from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { installRuntime } from '../../platform/temporal-runtime.ts';
import { bundleWorkflows } from '../../platform/workflow-bundle.ts';
import { temporalAddress } from '../support/database.ts';

let code: string;
let connection: NativeConnection;

/** For the `beforeAll` and `afterAll` of a test file. */
export async function openWorkflows(): Promise<void> {
  installRuntime(pino({ level: 'silent' }));
  code = await bundleWorkflows();
  connection = await NativeConnection.connect({ address: temporalAddress() });
}
export const closeWorkflows = (): Promise<void> => connection.close();

/** With RECORD_HISTORIES set, what happened becomes the fixture of this name (protobuf in base64), which the replay test runs again. */
async function record(name: string, history: temporal.api.history.v1.IHistory): Promise<void> {
  if (!process.env.RECORD_HISTORIES) return;
  const bytes = proto.temporal.api.history.v1.History.encode(history).finish();
  const file = path.join(import.meta.dirname, 'histories', `${name}.json`);
  await writeFile(file, `${JSON.stringify({ name, history: Buffer.from(bytes).toString('base64') }, null, 1)}\n`);
}

type Handle = { cancel(): Promise<unknown> };
/** `activities`: fakes by name. `during` gets the handle of the workflow. */
type Run = { type: string; input: object; activities: object; during?: ((handle: Handle) => Promise<void>) | undefined };

/** Runs one workflow to its end. */
export async function runWorkflow({ type, input, activities, during }: Run) {
  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({ connection, taskQueue, workflowBundle: { code }, activities, identity: 'test' });
  const client = new Client({ connection, identity: 'test' });
  return await worker.runUntil(async () => {
    const handle = await client.workflow.start(type, { taskQueue, workflowId: taskQueue, args: [input] });
    await during?.(handle);
    const result = await handle.result().catch((error: unknown) => error);
    const { status } = await handle.describe();
    const history = await handle.fetchHistory();
    await record(expect.getState().currentTestName?.replaceAll(/[^a-z]+/gi, '-') ?? 'unnamed', history);
    return { result, status: status.name, history };
  });
}
