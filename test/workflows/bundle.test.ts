import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { pino } from 'pino';
import { bundleWorkflows, workflowBundle } from '../../worker/workflow-bundle.ts';
import * as workflows from '../../workflows/index.ts';

const quiet = pino({ level: 'silent' });

test('the workflows bundle without any module that workflows must not use', async () => {
  const code = await bundleWorkflows();
  for (const name of Object.keys(workflows)) expect(code).toContain(name);
  expect(code).not.toMatch(/node:(fs|net|crypto|child_process)|mikro-orm/);
});

test('a workflow that reaches for node:fs does not bundle', async () => {
  const attempt = bundleWorkflowCode({
    workflowsPath: path.join(import.meta.dirname, 'forbidden-workflow.ts'),
    logger: new DefaultLogger('ERROR', () => undefined),
  });
  await expect(attempt).rejects.toThrow();
});

test('the bundle is kept under a name that follows from its sources, and used again', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-bundle-'));
  const first = await workflowBundle(folder, quiet);
  const second = await workflowBundle(folder, quiet);
  expect(second).toEqual(first);
  expect(first).toHaveProperty('codePath');
  const text = await readFile((first as { codePath: string }).codePath, 'utf8');
  expect(text).toContain('shellTask');
  await rm(folder, { recursive: true });
});

test('a folder that cannot be written costs the cache only', async () => {
  const bundle = await workflowBundle('/dev/null/nowhere', quiet);
  expect(bundle).toHaveProperty('code');
});
