import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Endpoints, readEndpoints } from '../../platform/endpoints.ts';
import { commandLine } from '../../platform/pid-file.ts';
import { eventually } from '../support/eventually.ts';
import { dataFolder } from './fixtures/folder.ts';

const root = path.resolve(import.meta.dirname, '../..');

type Started = { child: ChildProcess; output(): string; endpoints(): Endpoints; ended: Promise<unknown[]> };

describe('npm start', () => {
  let data_dir: string;
  let remove: () => Promise<void>;
  const running: Started[] = [];

  /** As npm runs it, in a process group of its own, on ports that the system chooses. */
  const launch = (): Started => {
    const ports = { API_PORT: '0', POSTGRES_PORT: '0', TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0' };
    const env = { ...process.env, ...ports, NODE_OPTIONS: '', DATA_DIR: data_dir, SHUTDOWN_GRACE_S: '2', WORKER_CPU: '2' };
    const child = spawn(process.execPath, ['scripts/run.mjs', 'platform/start.ts'], { cwd: root, env, detached: true });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += String(chunk)));
    const started = { child, output: () => text, ended: once(child, 'exit'), endpoints: () => readEndpoints(data_dir) as Endpoints };
    running.push(started);
    return started;
  };
  const ready = async (started: Started, timeout_ms = 50_000) => {
    await eventually(() => expect(started.output()).toContain('Submit a task'), { timeout_ms });
    return started;
  };
  const supervisorPid = () => Number(readFileSync(path.join(data_dir, 'run.lock'), 'utf8').split('\n')[0]);
  const childrenOf = (pid: number) =>
    execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
      .filter((match) => Number(match?.[2]) === pid)
      .map((match) => ({ pid: Number(match?.[1]), args: String(match?.[3]) }));
  const ofThisFolder = () =>
    execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(data_dir));
  const call = async (started: Started, route: string, init: RequestInit = {}) => {
    const key = readFileSync(path.join(data_dir, 'admin.key'), 'utf8').trim();
    const answer = await fetch(`${started.endpoints().api}${route}`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    });
    return (await answer.json()) as { uuid: string; status: string };
  };
  const completed = (started: Started, uuid: string) =>
    eventually(async () => expect(await call(started, `/api/v1/tasks/${uuid}`)).toMatchObject({ status: 'completed', error: null }), {
      timeout_ms: 20_000,
    });
  /** The line that is printed for pasting, run as a shell runs it. */
  const paste = (started: Started) => {
    const line =
      started
        .output()
        .split('\n')
        .find((text) => text.startsWith('curl ')) ?? 'false';
    return JSON.parse(execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8' })) as { uuid: string };
  };

  beforeAll(async () => {
    ({ data_dir, remove } = await dataFolder());
  });
  afterAll(async () => {
    for (const { child, ended } of running) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    }
    await eventually(() => expect(ofThisFolder()).toEqual([]), { timeout_ms: 20_000 });
    await remove();
  });

  it('brings up everything, and the line it prints submits a task that completes', async () => {
    const started = await ready(launch());
    await completed(started, paste(started).uuid);
    expect((await fetch(started.endpoints().docs)).status).toBe(200);
    expect((await fetch(String(started.endpoints().temporal_ui))).status).toBe(200);
    for (const file of ['endpoints.json', 'admin.key', 'run.lock']) expect(statSync(path.join(data_dir, file)).mode & 0o777).toBe(0o600);
  });

  it('refuses a second start on the same data folder and names the first', async () => {
    const second = launch();
    expect((await second.ended)[0]).toBe(1);
    expect(second.output()).toContain(`is in use by npm start (process ${supervisorPid()})`);
  });

  it('starts a killed worker, API, database or Temporal again and says so', async () => {
    const [first] = running as [Started];
    const victims = childrenOf(supervisorPid());
    expect(victims).toHaveLength(4);
    for (const { pid } of victims.filter(({ args }) => args.includes('main.ts'))) process.kill(pid, 'SIGKILL');
    process.kill(Number(readFileSync(path.join(data_dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
    process.kill(Number(readFileSync(path.join(data_dir, 'temporal.pid'), 'utf8')), 'SIGKILL');
    for (const part of ['worker', 'api', 'postgres', 'temporal']) {
      await eventually(() => expect(first.output()).toContain(`${part} runs again`), { timeout_ms: 40_000 });
      expect(first.output()).toContain(`${part} died (signal SIGKILL), starting it again in 500 ms`);
    }
    await completed(first, paste(first).uuid);
  });

  it('works again, within 15 s, after its whole process group was killed', async () => {
    const [first] = running as [Started];
    const before = await call(first, '/api/v1/tasks');
    process.kill(-Number(first.child.pid), 'SIGKILL');
    await first.ended;
    const since = Date.now();
    const again = await ready(launch());
    expect(Date.now() - since).toBeLessThan(15_000);
    expect(await call(again, '/api/v1/tasks')).toEqual(before);
    await completed(again, paste(again).uuid);
  });

  it('leaves nothing running after its supervisor alone was killed', async () => {
    const again = running.at(-1) as Started;
    process.kill(supervisorPid(), 'SIGKILL');
    await again.ended;
    await eventually(() => expect(ofThisFolder()).toEqual([]), { timeout_ms: 20_000 });
  });

  it('stops everything in order at SIGINT, however often it is passed on within a second', async () => {
    const last = await ready(launch());
    const pid = supervisorPid();
    for (let n = 0; n < 3; n += 1) process.kill(pid, 'SIGINT');
    expect((await last.ended)[0]).toBe(0);
    expect([...last.output().matchAll(/"stopped":"(\w+)"/g)].map((match) => match[1]).slice(0, 2)).toEqual(['worker', 'api']);
    expect(last.output()).not.toContain('SIGKILL');
    expect(commandLine(pid)).toBeNull();
    expect(ofThisFolder()).toEqual([]);
    expect(readEndpoints(data_dir)).toBeNull();
  });
});
