import type { HttpServer } from '../../api/http-server.ts';
import { appendLogs } from '../../commands/append-logs.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { query } from '../../entities/sql.ts';
import type { LogLine } from '../../schemas/instance.ts';
import { createTestApi, makeCaller, type TestApi } from '../support/api.ts';
import { contextOf, outcome, startTask } from '../support/factories.ts';
import { type ReceivedEvent, receiveEvents, serve } from '../support/listening.ts';

let api: TestApi;
let server: HttpServer;
beforeAll(async () => {
  api = await createTestApi();
  server = await serve(api.app);
});
afterAll(async () => {
  await server.stop();
  await api.stop();
});

const LEASE = 1;
const streamOf = (seq: number) => (seq % 5 === 0 ? 'system' : seq % 2 === 0 ? 'stderr' : 'stdout') as LogLine['stream'];

async function write(runid: string, from: number, to: number): Promise<void> {
  const lines = Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, stream: streamOf(from + i), line: `line ${from + i}` }));
  expect(await appendLogs(api.em, { runid, lease_epoch: LEASE, lines, cut: 0 })).toBe(true);
}

const finish = async (runid: string) => {
  const done = await finishInstances(api.em, [{ runid, lease_epoch: LEASE, outcome: outcome('completed') }], 'worker:w');
  expect(done).toHaveLength(1);
};

const start = async () => await startTask(contextOf(api.em, api.user));
const key = () => ({ Authorization: `Bearer ${api.user.key}` });
const follow = (runid: string, headers: Record<string, string> = {}, query = '') =>
  receiveEvents(`${server.url}/api/v1/instances/${runid}/logs/stream${query}`, { ...key(), ...headers });

/** Reads at most `most` events, then hangs up, as a lost connection would. */
async function take(events: AsyncIterable<ReceivedEvent>, most: number): Promise<ReceivedEvent[]> {
  const got: ReceivedEvent[] = [];
  for await (const event of events) if (got.push(event) >= most) break;
  return got;
}

describe('the live stream of an instance', () => {
  it('delivers every line once and in order over many lost connections, while lines are written, and ends with the status', async () => {
    const { runid } = await start();
    const writing = (async () => {
      for (let from = 1; from <= 2_000; from += 25) await write(runid, from, from + 24);
      await finish(runid);
    })();
    const got: ReceivedEvent[] = [];
    for (let turn = 1; got.at(-1)?.event !== 'end'; turn++) {
      const last = got.at(-1)?.id;
      got.push(...(await take(follow(runid, last ? { 'Last-Event-ID': last } : {}), 37 * turn)));
    }
    await writing;
    const lines = got.slice(0, -1);
    expect(lines.map((e) => Number(e.id))).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
    expect(lines.every((e) => e.event === 'message')).toBe(true);
    expect(lines[6]?.data).toEqual({ seq: 7, stream: 'stdout', line: 'line 7', created_at: expect.any(String) });
    expect(got.at(-1)).toEqual({ id: null, event: 'end', data: { runid, status: 'completed' } });
  });

  it('announces the end only after lines that were stored just before it', async () => {
    for (let round = 0; round < 5; round++) {
      const { runid } = await start();
      const reading = take(follow(runid), 1_000);
      await write(runid, 1, 3);
      await write(runid, 4, 40);
      await finish(runid);
      const got = await reading;
      expect(got).toHaveLength(41);
      expect(got.at(-1)?.event).toBe('end');
    }
  });

  it('begins after ?after, and keeps to one stream', async () => {
    const { runid } = await start();
    await write(runid, 1, 30);
    await finish(runid);
    const later = await take(follow(runid, {}, '?after=28'), 100);
    expect(later.map((e) => e.id)).toEqual(['29', '30', null]);
    const system = await take(follow(runid, { 'Last-Event-ID': '10' }, '?stream=system&after=1'), 100);
    expect(system.map((e) => e.id)).toEqual(['15', '20', '25', '30', null]);
  });

  it('is hidden from others', async () => {
    const { runid } = await start();
    const answer = await fetch(`${server.url}/api/v1/instances/${runid}/logs/stream`, {
      headers: { Authorization: `Bearer ${api.stranger.key}` },
    });
    expect(answer.status).toBe(404);
  });

  it.each([
    ['the key is revoked', 'api_key = null'],
    ['the user is deactivated', 'is_active = false'],
    ['an operator becomes a user', `role = 'user'`],
  ])(
    'ends within seconds when %s',
    async (why, change) => {
      const { runid } = await start();
      await write(runid, 1, 1);
      const watcher = await makeCaller(api.em, `watcher-${why.length}`, { role: 'operator' });
      const url = `${server.url}/api/v1/instances/${runid}/logs/stream`;
      const events = receiveEvents(url, { Authorization: `Bearer ${watcher.key}` });
      expect((await events.next()).value?.event).toBe('message');
      await query(api.em, `update users set ${change} where id = $1`, [watcher.id]);
      expect(await events.next()).toEqual({ done: true, value: undefined });
      await finish(runid);
    },
    15_000,
  );

  it('has the headers that keep proxies from buffering', async () => {
    const { runid } = await start();
    await finish(runid);
    const answer = await fetch(`${server.url}/api/v1/instances/${runid}/logs/stream`, { headers: key() });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('cache-control')).toContain('no-transform');
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    await answer.text();
  });
});

describe('stored logs', () => {
  it('come as text, complete and in order, for an instance and for its task', async () => {
    const { runid, task } = await start();
    await write(runid, 1, 2_500);
    const wanted = `${Array.from({ length: 2_500 }, (_, i) => `line ${i + 1}`).join('\n')}\n`;
    for (const path of [`/instances/${runid}/logs`, `/tasks/${task.uuid}/logs`]) {
      const answer = await api.as(api.user).get(path);
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(answer.text).toBe(wanted);
    }
    const part = await api.as(api.user).get(`/instances/${runid}/logs?after=1200&limit=1100&stream=stdout`);
    expect(part.text.split('\n')[0]).toBe('line 1201');
  });

  it('come as pages of JSON', async () => {
    const { runid } = await start();
    await write(runid, 1, 25);
    const seqs: number[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const answer: { body: { items: LogLine[]; next_after: number | null } } = await api
        .as(api.user)
        .get(`/instances/${runid}/logs?format=json&limit=10&after=${after}`);
      seqs.push(...answer.body.items.map((line) => line.seq));
      after = answer.body.next_after;
    }
    expect(seqs).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  });

  it('are empty for a task that never ran', async () => {
    const answer = await api.as(api.user).post('/tasks').send({ template: 't' });
    expect((await api.as(api.user).get(`/tasks/${answer.body.uuid}/logs`)).text).toBe('');
    expect((await api.as(api.user).get(`/tasks/${answer.body.uuid}/logs?format=json`)).body).toEqual({ items: [], next_after: null });
  });
});

describe('instances', () => {
  it('are listed by task, status and worker, and read one by one', async () => {
    const { runid, task } = await start();
    const read = await api.as(api.user).get(`/instances/${runid}`);
    expect(read.body).toMatchObject({ runid, task_id: task.uuid, status: 'running', worker: 'w', template: 't', attempt: 1, cpu: 1 });
    const list = await api.as(api.user).get(`/instances?task=${task.uuid}&status=running,starting&worker=w&queue=q&template=t`);
    expect(list.body.items.map((i: { runid: string }) => i.runid)).toEqual([runid]);
    expect((await api.as(api.user).get(`/instances?task=${task.uuid}&status=failed`)).body.items).toEqual([]);
    expect((await api.as(api.stranger).get(`/instances?task=${task.uuid}`)).body.items).toEqual([]);
    expect((await api.as(api.user).get(`/tasks/${task.uuid}/instances`)).body.items).toHaveLength(1);
    expect((await api.as(api.user).get(`/tasks/${task.uuid}`)).body.runid).toBe(runid);
  });
});
