import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Em } from '../../entities/sql.ts';
import { type Caller, makeCaller } from '../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { contextOf, makePool, makeQueue, makeTemplate, makeWorker, startTask } from '../support/factories.ts';
import { type ReceivedEvent, receiveEvents } from '../support/listening.ts';

type Running = { child: ChildProcess; url: string; lines: string[] };

let database: TestDatabase;
let user: Caller;
let folder: string;
beforeAll(async () => {
  database = await createTestDatabase();
  const em = database.em as Em;
  await makePool(em);
  await makeQueue(em);
  await makeWorker(em);
  await makeTemplate(em);
  user = await makeCaller(em, 'user');
  folder = await mkdtemp(path.join(os.tmpdir(), 'api-test-'));
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `api/main.ts` as its own process on a free port. */
async function start(database_url: string): Promise<Running> {
  const settings = { DATABASE_URL: database_url, TEMPORAL_ADDRESS: '127.0.0.1:1', API_PORT: '0', DATA_DIR: folder, LOG_LEVEL: 'info' };
  const child = spawn(process.execPath, ['api/main.ts'], {
    env: { PATH: process.env.PATH ?? '', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(line));
  const url = await eventually(() => {
    const ready = lines.map((line) => JSON.parse(line) as { msg: string; url: string }).find((line) => line.msg === 'api ready');
    if (!ready) throw new Error(`not ready, exit code ${child.exitCode}: ${lines.join('\n')}`);
    return ready.url;
  });
  return { child, url, lines };
}

const headers = () => ({ Authorization: `Bearer ${user.key}` });

describe('api/main.ts', () => {
  it('stops on SIGTERM: streams end, requests under way are answered, the exit code is 0', async () => {
    const { child, url } = await start(database.url);
    const { runid } = await startTask(contextOf(database.em as Em, user));
    const streaming = (async () => {
      const got: ReceivedEvent[] = [];
      for await (const event of receiveEvents(`${url}/api/v1/instances/${runid}/logs/stream`, headers())) got.push(event);
      return got;
    })();
    await eventually(async () => expect(await (await fetch(`${url}/metrics`)).text()).toContain('orchestrator_tasks'));
    const requests = Array.from({ length: 30 }, () => fetch(`${url}/api/v1/tasks`, { headers: headers() }));
    const exited = once(child, 'exit');
    await requests[0];
    child.kill('SIGTERM');
    const statuses = (await Promise.allSettled(requests)).flatMap((r) => (r.status === 'fulfilled' ? [r.value.status] : []));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await streaming).toEqual([]);
    expect(await exited).toEqual([0, null]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('makes the key of the secrets once, readable by its owner only', async () => {
    const file = path.join(folder, 'secret.key');
    const before = await readFile(file, 'utf8');
    expect(Buffer.from(before, 'base64')).toHaveLength(32);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { child } = await start(database.url);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('starts without a database, is alive but not ready, and answers 503 until it is there', async () => {
    const { child, url } = await start('postgresql://postgres@127.0.0.1:1/none');
    try {
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect((await fetch(`${url}/readyz`)).status).toBe(503);
      const answer = await fetch(`${url}/api/v1/tasks`, { headers: headers() });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await answer.json()).toMatchObject({ code: 'unavailable', detail: expect.not.stringContaining('127.0.0.1') });
      expect((await fetch(`${url}/metrics`)).status).toBe(503);
    } finally {
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
    }
  });
});
