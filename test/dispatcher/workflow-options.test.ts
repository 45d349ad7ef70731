import fc from 'fast-check';
import { isShort } from '../../core/run-time.ts';
import { clip, priorityKey, workflowOptions, workflowType } from '../../dispatcher/workflow-options.ts';
import * as workflows from '../../workflows/index.ts';

const instance = {
  runid: '01a1fd80-0000-7000-8000-000000000001',
  task_id: '01a1fd80-0000-7000-8000-000000000002',
  attempt: 3,
  workflow_id: 'task/01a1fd80-0000-7000-8000-000000000002/3',
  worker: 'w1',
  engine: 'shell',
  queue: 'default',
  pool: 'default',
  template: 'nightly',
  user: 'ann',
  name: 'a | name\nwith `markdown` <b>',
  priority: 70,
  timeout: 60,
  p90_s: null,
};

test('text for Temporal UI is one plain line within its limit, whatever the user wrote', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), fc.integer({ min: 10, max: 300 }), (text, bytes) => {
      const line = clip(text, bytes);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(bytes);
      expect(line).not.toMatch(/[\n|`<>*]/);
    }),
  );
});

test('priorities 0 to 100 fall into the five steps of Temporal, higher first', () => {
  const keys = Array.from({ length: 101 }, (_, priority) => priorityKey(priority));
  expect([keys[0], keys[50], keys[100]]).toEqual([5, 3, 1]);
  expect(keys).toEqual([...keys].sort((a, b) => b - a));
  expect(new Set(keys)).toEqual(new Set([1, 2, 3, 4, 5]));
});

test('a workflow is started under the id and on the task queue of its instance, and only ids and numbers travel', () => {
  const options = workflowOptions(instance, { heartbeat_timeout_s: 30, eager: true, short: false });
  expect(options).toMatchObject({
    workflowId: instance.workflow_id,
    taskQueue: 'worker-w1',
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    requestEagerStart: true,
  });
  expect(options.args).toEqual([
    {
      runid: instance.runid,
      task_id: instance.task_id,
      attempt: 3,
      timeout_s: 60,
      heartbeat_timeout_s: 30,
      title: 'a name with markdown b (nightly) queue default priority 70',
    },
  ]);
});

test('work that is expected to be short is waited for in the first step of its workflow', () => {
  const [input] = workflowOptions(instance, { heartbeat_timeout_s: 30, eager: true, short: true }).args ?? [];
  expect(input).toMatchObject({ patience_ms: 1000 });
  expect([null, 0.2, 1, 1.5].map((p90_s) => isShort({ p90_s }))).toEqual([true, true, true, false]);
});

test.each(['shell', 'http', 'docker', 'empty'])('there is a workflow type for engine %s', (engine) => {
  expect(Object.keys(workflows)).toContain(workflowType(engine));
});
