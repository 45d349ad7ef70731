import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import proto from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { installRuntime } from '../../platform/temporal-runtime.ts';
import { bundleWorkflows } from '../../platform/workflow-bundle.ts';

const FOLDER = path.join(import.meta.dirname, 'histories');
const histories = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

let code: string;
beforeAll(async () => {
  installRuntime(pino({ level: 'silent' }));
  code = await bundleWorkflows();
});

test('there are recorded histories of workflows that completed, failed, were cancelled and fell back', () => {
  expect(histories.length).toBeGreaterThanOrEqual(4);
});

/** The events of a fixture, with one string replaced where given. */
function eventsOf(name: string, change: [string, string] = ['', '']): object {
  const { history } = JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as { history: string };
  const bytes = Buffer.from(
    Buffer.from(history, 'base64')
      .toString('latin1')
      .replaceAll(change[0] || '\0\0never', change[1]),
    'latin1',
  );
  return proto.temporal.api.history.v1.History.decode(bytes);
}

/** A change that fails here would break workflows that are under way: use patched(), or a new workflow name. */
test.each(histories)('the workflows of today replay the recorded history %s', async (name) => {
  await Worker.runReplayHistory({ workflowBundle: { code } }, eventsOf(name));
});

test('a history of other decisions does not replay', async () => {
  const other = eventsOf('an-instance-that-completes-costs-one-activity.json', ['shellTask', 'emptyTask']);
  await expect(Worker.runReplayHistory({ workflowBundle: { code } }, other)).rejects.toThrow();
});
