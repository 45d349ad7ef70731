import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { type AdmittedInstance, admit } from '../../commands/admit.ts';
import { claimInstance } from '../../commands/claim-instance.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { registerWorker } from '../../commands/register-worker.ts';
import { completed } from '../../core/outcome.ts';
import type { DispatcherDeps } from '../../dispatcher/deps.ts';
import { withLock } from '../../dispatcher/held-lock.ts';
import { Reconciler } from '../../dispatcher/reconciler.ts';
import { TemporalLink } from '../../dispatcher/temporal-link.ts';
import { WorkflowStarter } from '../../dispatcher/workflow-starter.ts';
import { createEngines } from '../../engines/index.ts';
import { openRoom, type Room } from '../e2e/room.ts';
import { temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const BOOT = '01a1fd80-0000-4000-8000-000000000001';
let room: Room;
let connection: Connection;
let deps: DispatcherDeps;
let reconciler: Reconciler;
let starter: WorkflowStarter;

beforeAll(async () => {
  room = await openRoom({ LOST_AFTER_S: '1' });
  connection = await Connection.connect({ address: temporalAddress() });
  const logger = pino({ level: 'silent' });
  const config = { ...room.config(), LOST_AFTER_S: 1 };
  deps = {
    fork: () => room.fork(),
    database_url: room.db.url,
    client: new Client({ connection, namespace: room.namespace }),
    temporal_address: temporalAddress(),
    engines: createEngines(config),
    local_worker: null,
    ensureSearchAttributes: async () => undefined,
    config,
    logger,
  };
  const link = new TemporalLink(deps.client, logger);
  reconciler = new Reconciler(deps, link);
  starter = new WorkflowStarter(deps, link);
  await registerWorker(room.fork(), {
    id: `ghost-${process.pid}`,
    pool: 'default',
    hostname: 'nowhere',
    pid: 1,
    boot_id: BOOT,
    version: 'test',
    total_cpu: 64,
    total_memory: 64_000,
    engines: ['empty'],
    unavailable: {},
    docker_id: null,
  });
});
afterAll(async () => {
  await connection.close();
  await room.close();
});

/** A task admitted to a worker that nobody runs: its workflow is started only if the test does so. */
async function admitted(): Promise<AdmittedInstance> {
  await room.submit([{ template: 'empty' }]);
  const [instance] = await admit(room.fork(), { limit: 1, lost_after_s: 3600 });
  return instance as AdmittedInstance;
}

async function start(instance: AdmittedInstance): Promise<void> {
  starter.start([instance]);
  await starter.settled();
}

const claim = ({ runid, worker }: AdmittedInstance) =>
  claimInstance(room.fork(), { runid, execution: 1, worker, boot_id: BOOT, temporal_run_id: '' });

/** Ticks until the first instance of the task has this state. */
async function reconcileUntil({ task_id }: AdmittedInstance, status: string): Promise<void> {
  await eventually(async () => {
    await reconciler.tick();
    expect((await room.instances(task_id))[0]).toMatchObject({ status });
  });
}

test('an instance whose workflow was terminated in Temporal is cancelled', async () => {
  const instance = await admitted();
  await start(instance);
  await deps.client.workflow.getHandle(instance.workflow_id).terminate('by an operator');
  await reconcileUntil(instance, 'cancelled');
  expect(await room.task(instance.task_id)).toMatchObject({ status: 'cancelled' });
  await room.expectClean();
});

test('a running instance that Temporal does not know is lost, and its task queues again free of charge', async () => {
  const instance = await admitted();
  await claim(instance);
  await reconcileUntil(instance, 'lost');
  expect(await room.task(instance.task_id)).toMatchObject({ status: 'queued', retries_used: 0 });
  await room.cancel(instance.task_id);
  await room.expectClean();
});

test('a workflow that is open though its instance is final is terminated', async () => {
  const instance = await admitted();
  await start(instance);
  await finishInstances(room.fork(), [{ runid: instance.runid, lease_epoch: null, outcome: completed({}) }], 'test');
  await eventually(async () => {
    await reconciler.tick();
    expect((await room.workflow(instance.workflow_id)).status).toBe('TERMINATED');
  });
});

test('an instance whose workflow is open is left alone', async () => {
  const instance = await admitted();
  await start(instance);
  await claim(instance);
  await eventually(async () => {
    await reconciler.tick();
    const age = Date.now() - Number.parseInt(instance.runid.replaceAll('-', '').slice(0, 12), 16);
    expect(age).toBeGreaterThan(2_000);
  });
  expect((await room.instances(instance.task_id))[0]).toMatchObject({ status: 'running' });
  await finishInstances(room.fork(), [{ runid: instance.runid, lease_epoch: 1, outcome: completed({}) }], 'test');
  await deps.client.workflow.getHandle(instance.workflow_id).terminate('test is over');
});

test('only one dispatcher at a time reconciles', async () => {
  const inner: boolean[] = [];
  const outer = await withLock(room.db.url, 'test', async () => {
    inner.push(await withLock(room.db.url, 'test', async () => undefined));
  });
  expect([outer, ...inner]).toEqual([true, false]);
  expect(await withLock(room.db.url, 'test', async () => undefined)).toBe(true);
});

test('starting the same instance again and again makes one workflow', async () => {
  const instance = await admitted();
  for (let i = 0; i < 3; i += 1) await start(instance);
  expect((await room.workflow(instance.workflow_id)).status).toBe('RUNNING');
  await deps.client.workflow.getHandle(instance.workflow_id).terminate('test is over');
  await start(instance);
  expect((await room.instances(instance.task_id))[0]).toMatchObject({ status: 'starting' });
  await reconcileUntil(instance, 'cancelled');
});
