import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { seed } from '../../commands/seed.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { type Config, loadConfig } from '../../config/env.ts';
import { createNotifier, type Notifier } from '../../entities/notifier.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { RunningWorker } from '../../worker/running-worker.ts';
import { startWorker } from '../../worker/start-worker.ts';
import { createTestDatabase, type TestDatabase, temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { makeNamespace } from '../support/namespace.ts';
import { testEngines } from './empty-engine.ts';
import { PARTS, WorkerProcess } from './worker-process.ts';

/** Short settings, so that what takes a minute in production takes seconds here. */
const SHORT = {
  LOST_AFTER_S: '6',
  HEARTBEAT_TIMEOUT_S: '4',
  RECONCILE_EVERY_S: '1',
  POLL_EVERY_S: '0.3',
  SHUTDOWN_GRACE_S: '2',
  LOG_LEVEL: 'error',
};

/** Every shell task of the tests shares a workflow with others: `npm run test:waves`. */
export const IN_WAVES = process.env.TEST_WAVES === 'on';
const COMPANIONS = IN_WAVES ? 4 : 0;
/** How many tasks `submitShell` makes. */
export const TASKS_EACH = 1 + COMPANIONS;

export type TaskRow = {
  uuid: string;
  status: string;
  status_reason: string | null;
  attempt: number;
  retries_used: number;
  result: unknown;
  error: { code: string } | null;
};
export type InstanceRow = {
  runid: string;
  status: string;
  code: string;
  attempt: number;
  lease_epoch: number;
  worker: string;
  workflow_id: string;
  logs: string | null;
  log_lines: number;
  log_lines_cut: number;
};
type Item = Parameters<typeof submitTasks>[1]['items'][number];

/** A database, a data folder and commands of one test file, and the workers that it starts in this process. */
export class Room {
  readonly db: TestDatabase;
  readonly data_dir: string;
  readonly settings: Record<string, string>;
  readonly notifier: Notifier;
  /** Of the administrator, for the API. */
  admin_key = '';
  /** Where the workers find the database; the test itself uses its own connection. */
  database_url: string;
  /** host:port of the Temporal server that the workers use. */
  temporal_address = temporalAddress();
  /** Of this room alone on that server. */
  readonly namespace: string;
  private workers: RunningWorker[] = [];
  private processes: WorkerProcess[] = [];
  private readonly companions: string[] = [];
  private templates = 0;

  constructor(db: TestDatabase, data_dir: string, settings: Record<string, string> & { TEMPORAL_NAMESPACE: string }) {
    this.db = db;
    this.database_url = db.url;
    this.data_dir = data_dir;
    this.settings = settings;
    this.namespace = settings.TEMPORAL_NAMESPACE;
    this.notifier = createNotifier({ url: db.url, logger: pino({ level: 'silent' }) });
  }

  config(own: Record<string, string> = {}): Config {
    return loadConfig({ ...SHORT, DATA_DIR: this.data_dir, ...this.settings, ...own });
  }

  fork(): Em {
    return this.db.orm.em.fork() as Em;
  }

  context(): CommandContext {
    return { em: this.fork(), actor: { id: 1, username: 'admin', role: 'admin', rights: [] }, request_id: null };
  }

  /** Starts a worker in this process; `own` settings make it another one. */
  async worker(id: string, own: Record<string, string> = {}): Promise<RunningWorker> {
    const config = this.config(own);
    const worker = await startWorker({
      config,
      id,
      database_url: this.database_url,
      temporal_address: this.temporal_address,
      engines: testEngines(config, id),
      version: 'test',
      logger: pino({ level: config.LOG_LEVEL }),
    });
    worker.closed.catch(() => undefined);
    this.workers.push(worker);
    return worker;
  }

  /** Starts a worker as a process of its own, for tests that kill it. Resolves when it is ready. */
  async workerProcess(id: string, own: Record<string, string> = {}): Promise<WorkerProcess> {
    return await this.process('worker', { ...own, WORKER_ID: id });
  }

  /** Starts any part as a process of its own. Resolves when it is ready. */
  async process(part: keyof typeof PARTS, own: Record<string, string> = {}): Promise<WorkerProcess> {
    const settings = { ...SHORT, LOG_LEVEL: 'info', DATA_DIR: this.data_dir, ...this.settings, ...own };
    const env = { PATH: process.env.PATH, DATABASE_URL: this.database_url, TEMPORAL_ADDRESS: this.temporal_address, ...settings };
    const started = new WorkerProcess(env, PARTS[part]);
    this.processes.push(started);
    await started.ready;
    return started;
  }

  async submit(items: object[]): Promise<string[]> {
    const complete = items.map((item) => ({ tags: {}, parameters: {}, ...item }) as unknown as Item);
    const { tasks } = await submitTasks(this.context(), { items: complete, idempotency: null }, testEngines(this.config()));
    this.notifier.notify('dispatch');
    return tasks.map(({ uuid }) => uuid);
  }

  async submitShell(script: string, more: object = {}): Promise<string> {
    if (IN_WAVES) return await this.submitInWave(script, more);
    const [uuid] = await this.submit([{ template: 'shell', parameters: { script }, ...more }]);
    return uuid as string;
  }

  /** A pool and queue of their own, so that only the worker that the test means can take the task. */
  async submitAside(script: string): Promise<string> {
    return await this.submitShell(script, { queue: 'aside' });
  }

  /** With as many others as it takes, which are over at once. A template of its own: how long earlier tasks took decides whether there are waves. */
  private async submitInWave(script: string, more: object): Promise<string> {
    this.templates += 1;
    const template = `shell-${this.templates}`;
    await this.template(template, { engine: 'shell', cpu: 0.1, memory_mb: 16, batchable: true });
    const scripts = [script, ...Array<string>(COMPANIONS).fill(':')];
    const [uuid, ...companions] = await this.submit(scripts.map((one) => ({ template, parameters: { script: one }, ...more })));
    this.companions.push(...companions);
    return uuid as string;
  }

  /** Id of the workflow in which the last instance of a task ran. */
  async workflowOf(uuid: string): Promise<string> {
    const { workflow_id } = (await this.instances(uuid)).at(-1) as InstanceRow;
    if (IN_WAVES && !workflow_id.startsWith('wave/')) throw new Error(`task ${uuid} ran alone, in ${workflow_id}`);
    return workflow_id;
  }

  /** A template with one version; what is not given is as in the template that is made for each engine. */
  async template(
    name: string,
    version: { engine: string; retry_policy?: object; cpu?: number; memory_mb?: number; at_most_once?: boolean; batchable?: boolean },
  ): Promise<void> {
    await query(
      this.fork(),
      `with t as (insert into templates (name, engine, schema) select $1, engine, schema from templates where name = $2 returning *)
       insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, at_most_once, batchable)
       select t.name, 1, v.schema, v.parameters, v.queue, coalesce($3, v.cpu), coalesce($4, v.memory_mb), coalesce($5, v.retry_policy), coalesce($6, false), $7
       from t, template_versions v where v.template = $2 and v.version = 1`,
      [
        name,
        version.engine,
        version.cpu ?? null,
        version.memory_mb ?? null,
        version.retry_policy ? JSON.stringify(version.retry_policy) : null,
        version.at_most_once ?? null,
        version.batchable ?? null,
      ],
    );
  }

  async cancel(uuid: string): Promise<void> {
    await cancelTask(this.context(), uuid, null);
    this.notifier.notify('cancel');
  }

  async workflow(id: string): Promise<{ status: string; type: string; attributes: object; summary: string | undefined }> {
    const connection = await Connection.connect({ address: temporalAddress() });
    const client = new Client({ connection, namespace: this.namespace });
    const { status, type, searchAttributes, staticSummary } = await client.workflow.getHandle(id).describe();
    const summary = await staticSummary();
    await connection.close();
    return { status: status.name, type, attributes: searchAttributes, summary };
  }

  async workerStatus(id: string): Promise<string | undefined> {
    const [row] = await query<{ status: string }>(this.fork(), 'select status from workers where id = $1', [id]);
    return row?.status;
  }

  async systemLines(uuid: string): Promise<string[]> {
    const rows = await query<{ line: string }>(
      this.fork(),
      `select line from instance_logs l join instances i on i.runid = l.runid where i.task_id = $1 and stream = 'system' order by i.attempt, seq`,
      [uuid],
    );
    return rows.map(({ line }) => line);
  }

  async untilInstance(uuid: string, status: string): Promise<InstanceRow> {
    return await eventually(async () => {
      const instance = (await this.instances(uuid)).at(-1);
      if (instance?.status !== status) throw new Error(`instance is ${instance?.status}, expected ${status}`);
      return instance;
    });
  }

  /** Ids of processes whose command line holds this text. */
  async processesWith(text: string): Promise<string[]> {
    return await new Promise((resolve) => execFile('pgrep', ['-f', text], (_error, out) => resolve(out.split('\n').filter(Boolean))));
  }

  async task(uuid: string): Promise<TaskRow> {
    const [row] = await query<TaskRow>(this.fork(), 'select * from tasks where uuid = $1', [uuid]);
    return row as TaskRow;
  }

  async instances(uuid: string): Promise<InstanceRow[]> {
    return await query<InstanceRow>(this.fork(), 'select * from instances where task_id = $1 order by attempt', [uuid]);
  }

  async lines(uuid: string): Promise<string[]> {
    const rows = await query<{ line: string }>(
      this.fork(),
      `select line from instance_logs l join instances i on i.runid = l.runid where i.task_id = $1 and stream <> 'system' order by i.attempt, seq`,
      [uuid],
    );
    return rows.map(({ line }) => line);
  }

  async untilTask(uuid: string, status: string, timeout_ms = 15_000): Promise<TaskRow> {
    return await eventually(
      async () => {
        const task = await this.task(uuid);
        if (task.status !== status)
          throw new Error(
            `task is ${task.status} (${task.status_reason}), expected ${status}: ${JSON.stringify(await this.instances(uuid))}`,
          );
        return task;
      },
      { timeout_ms },
    );
  }

  /** Throws unless every promise of the engine holds and nothing is held any more. */
  async expectClean(): Promise<void> {
    for (const uuid of this.companions.splice(0)) await this.untilTask(uuid, 'completed', 30_000);
    const broken = (await checkInvariants(this.fork())).filter(({ violations }) => violations.length > 0);
    const held = await query(
      this.fork(),
      `select 'pool ' || name as what from pools where used_cpu <> 0 or used_memory <> 0
       union all select 'worker ' || id from workers where used_cpu <> 0 or used_memory <> 0
       union all select 'queue ' || name from queues where current_load <> 0`,
    );
    if (broken.length + held.length > 0) throw new Error(`not clean: ${JSON.stringify({ broken, held })}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop().catch(() => undefined)));
    for (const worker of this.processes) await worker.kill('SIGKILL');
    await this.notifier.stop();
    await this.db.drop();
    await rm(this.data_dir, { recursive: true, force: true });
  }
}

/** @param settings environment variables for every worker of this room */
export async function openRoom(settings: Record<string, string> = {}): Promise<Room> {
  const db = await createTestDatabase();
  const data_dir = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-room-'));
  const room = new Room(db, data_dir, { ...settings, TEMPORAL_NAMESPACE: settings.TEMPORAL_NAMESPACE ?? (await makeNamespace()) });
  const sizes = { cpu: 64, memory_mb: 65_536 };
  await query(room.fork(), `insert into pools (name, total_cpu, total_memory) values ('aside', $1, $2)`, [sizes.cpu, sizes.memory_mb]);
  await query(room.fork(), `insert into queues (name, capacity, pool) values ('aside', 100, 'aside')`);
  const { admin_key } = await seed(room.fork(), { cpu: 64, memory_mb: 65_536, engines: testEngines(room.config()) });
  room.admin_key = admin_key ?? '';
  return room;
}
