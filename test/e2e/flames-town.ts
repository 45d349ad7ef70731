import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { seed } from '../../commands/seed.ts';
import { loadConfig } from '../../config/env.ts';
import { createEngines } from '../../engines/index.ts';
import { createOrm, type MikroORM } from '../../entities/orm.ts';
import type { Em } from '../../entities/sql.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { migrateUp } from '../../platform/migrations.ts';
import { postmasterPid } from '../../platform/postmaster.ts';
import { temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** One part of the system as a process of its own. */
class Part {
  readonly child: ChildProcess;
  output = '';

  constructor(file: string, env: NodeJS.ProcessEnv) {
    const argv = ['--disable-warning=ExperimentalWarning', path.join(ROOT, file)];
    this.child = spawn(process.execPath, argv, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk).slice(-100_000);
      });
  }

  async said(text: string): Promise<void> {
    await eventually(
      () => {
        if (!this.output.includes(text)) throw new Error(`ended with ${this.child.exitCode}: ${this.output.slice(-3_000)}`);
      },
      { timeout_ms: 30_000 },
    );
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
  }
}

/** PostgreSQL, API and worker, each of which may be killed by itself. The test talks to the API, and looks into the database. */
export class FlamesTown {
  private data_dir = '';
  private postgres: EmbeddedPostgres | null = null;
  private orm: MikroORM | null = null;
  private admin_key = '';
  private api: Part | null = null;
  private worker: Part | null = null;
  private port = 0;
  readonly settings: Record<string, string>;

  constructor(settings: Record<string, string> = {}) {
    this.settings = settings;
  }

  async open(): Promise<this> {
    this.data_dir = await mkdtemp(path.join(os.tmpdir(), 'flames-town-'));
    await chmod(this.data_dir, 0o711);
    this.postgres = await startEmbeddedPostgres({ data_dir: this.data_dir, host: '127.0.0.1', port: 0 });
    this.orm = await createOrm({ url: this.postgres.url, pool_max: 4, application_name: 'town' });
    await migrateUp(this.orm, { dumpTo: null });
    const { admin_key } = await seed(this.fork(), { cpu: 8, memory_mb: 8_000, engines: createEngines(loadConfig({})) });
    this.admin_key = admin_key ?? '';
    await this.startApi();
    await this.startWorker();
    return this;
  }

  async close(): Promise<void> {
    await this.api?.kill('SIGTERM');
    await this.worker?.kill('SIGTERM');
    await this.orm?.close(true);
    await this.postgres?.stop();
    await rm(this.data_dir, { recursive: true, force: true });
  }

  fork(): Em {
    return this.orm?.em.fork() as Em;
  }

  get api_pid(): number {
    return this.api?.child.pid ?? 0;
  }

  private env(): NodeJS.ProcessEnv {
    const short = { LOST_AFTER_S: '10', HEARTBEAT_TIMEOUT_S: '5', RECONCILE_EVERY_S: '2', POLL_EVERY_S: '0.5', LOG_LEVEL: 'info' };
    const places = { DATA_DIR: this.data_dir, DATABASE_URL: this.postgres?.url, TEMPORAL_ADDRESS: temporalAddress() };
    const rest = { OUTBOUND_ALLOW: '127.0.0.1', WORKER_ID: `town-${process.pid}`, API_PORT: String(this.port) };
    return { PATH: process.env.PATH, ...short, ...places, ...rest, ...this.settings };
  }

  async startApi(): Promise<void> {
    this.api = new Part('api/main.ts', this.env());
    await this.api.said('api ready');
    this.port = Number(/"url":"http:\/\/127\.0\.0\.1:(\d+)/.exec(this.api.output)?.[1]);
  }

  async startWorker(): Promise<void> {
    this.worker = new Part('worker/main.ts', this.env());
    await this.worker.said('worker ready');
  }

  killApi = async () => await this.api?.kill();
  killWorker = async () => await this.worker?.kill();

  /** Kills the server as a power cut would end it, and starts it again on the same data and port. */
  async crashPostgres(): Promise<void> {
    const { port = 0 } = this.postgres ?? {};
    const pid = postmasterPid({ data: path.join(this.data_dir, 'postgres', 'data') });
    if (pid === null) throw new Error('no postmaster');
    process.kill(pid, 'SIGKILL');
    await this.postgres?.exited;
    this.postgres = await startEmbeddedPostgres({ data_dir: this.data_dir, host: '127.0.0.1', port });
    if (this.postgres.port !== port) throw new Error(`PostgreSQL came back on port ${this.postgres.port}, not ${port}`);
  }

  async request(method: string, url: string, { body, signal }: { body?: unknown; signal?: AbortSignal } = {}): Promise<Response> {
    const json = { ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}) };
    const headers = { Authorization: `Bearer ${this.admin_key}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
    return await fetch(`http://127.0.0.1:${this.port}/api/v1${url}`, { method, headers, ...json });
  }

  async json<T>(url: string): Promise<T> {
    const answer = await this.request('GET', url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** Uploads a dataset. @returns its id */
  async upload(name: string, file: string): Promise<number> {
    const headers = { Authorization: `Bearer ${this.admin_key}`, 'Content-Type': 'application/x-ndjson' };
    const body = Readable.toWeb(createReadStream(file)) as ReadableStream;
    const url = `http://127.0.0.1:${this.port}/api/v1/flames/datasets?name=${name}`;
    const answer = await fetch(url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
    return ((await answer.json()) as { id: number }).id;
  }

  /** @returns its uuid */
  async submit(parameters: Record<string, unknown>): Promise<string> {
    const answer = await this.request('POST', '/tasks', { body: { template: 'flames', parameters } });
    if (answer.status !== 201) throw new Error(await answer.text());
    return ((await answer.json()) as { uuid: string }).uuid;
  }
}
