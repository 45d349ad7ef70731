import type { Task } from '../../schemas/task.ts';
import { type Caller, createTestApi, makeCaller, type TestApi } from '../support/api.ts';

let api: TestApi;
let reader: Caller;
beforeAll(async () => {
  api = await createTestApi();
  reader = await makeCaller(api.em, 'reader');
});
afterAll(async () => await api.stop());

const submitMany = async (count: number, item: Record<string, unknown> = {}, caller = reader) => {
  const items = Array.from({ length: count }, (_, i) => ({ template: 't', name: `n${i}`, ...item }));
  const answer = await api.as(caller).post('/tasks').send(items);
  expect(answer.status).toBe(201);
  return answer.body.items as Task[];
};

/** All pages from a first address on, following the Link header; `between` runs after each page. */
async function readAll(path: string, between: () => Promise<unknown> = async () => undefined): Promise<Task[]> {
  const found: Task[] = [];
  for (let next: string | null = path; next !== null; ) {
    const answer = await api.as(reader).get(next);
    expect(answer.status).toBe(200);
    found.push(...answer.body.items);
    const link: string | undefined = /<\/api\/v1([^>]+)>; rel="next"/.exec(answer.headers.link ?? '')?.[1];
    expect(link !== undefined).toBe(answer.body.next_cursor !== null);
    next = link ?? null;
    await between();
  }
  return found;
}

describe('pages of tasks', () => {
  it.each(['-created_at', 'created_at', 'priority', '-priority', 'updated_at'])(
    'in order %s hold every task once while others arrive',
    async (sort) => {
      const tag = `order${sort}`;
      const mine = await submitMany(23, { tags: { tag } });
      await api
        .as(reader)
        .post('/tasks')
        .send(mine.slice(0, 5).map(() => ({ template: 't', priority: 90, tags: { tag } })));
      const before = await readAll(`/tasks?tag=tag:${tag}&limit=200`);
      const paged = await readAll(`/tasks?tag=tag:${tag}&limit=4&sort=${sort}`, () => submitMany(1, { tags: { tag }, priority: 50 }));
      const uuids = paged.map((t) => t.uuid);
      expect(new Set(uuids).size).toBe(uuids.length);
      for (const { uuid } of before) expect(uuids).toContain(uuid);
      const key = sort.replace('-', '') as 'priority' | 'created_at';
      const values = paged.map((t) => t[key]);
      const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      expect(values).toEqual(sort.startsWith('-') ? sorted.reverse() : sorted);
    },
  );

  it('hold only one’s own tasks; operators see all and may choose a user', async () => {
    await submitMany(2, {}, api.stranger);
    const mine = await readAll('/tasks?limit=200');
    expect(new Set(mine.map((t) => t.user))).toEqual(new Set(['reader']));
    expect((await api.as(reader).get('/tasks?user=stranger')).status).toBe(403);
    const chosen = await api.as(api.operator).get('/tasks?user=stranger');
    expect(chosen.body.items).toHaveLength(2);
  });

  it('obey each filter', async () => {
    const [task] = await submitMany(1, { name: 'Needle 100%_x', tags: { a: '1', b: 'two:three' }, priority: 11 });
    const only = async (filter: string) => (await api.as(reader).get(`/tasks?${filter}`)).body.items.map((t: Task) => t.uuid);
    for (const filter of [
      'q=needle',
      'q=100%25_',
      'tag=a:1&tag=b:two:three',
      'queue=q&q=needle',
      'template=t&type=empty&status=queued,failed&q=needle',
    ]) {
      expect(await only(filter)).toEqual([task?.uuid]);
    }
    for (const filter of [
      'q=100%25x',
      'tag=a:1&tag=b:two',
      'queue=other&q=needle',
      'status=failed&q=needle',
      'created_before=2020-01-01T00:00:00Z',
    ]) {
      expect(await only(filter)).toEqual([]);
    }
    expect(await only(`q=needle&created_after=${new Date(Date.now() - 60_000).toISOString()}`)).toEqual([task?.uuid]);
  });

  it('refuse cursors that are not theirs', async () => {
    await submitMany(3);
    const { next_cursor } = (await api.as(reader).get('/tasks?limit=1')).body;
    const forged = (k: unknown) => Buffer.from(JSON.stringify({ s: '-created_at', k })).toString('base64url');
    const bad = [
      'x',
      '%00',
      'null',
      forged(null),
      forged(['a', 'b']),
      forged([1, 2]),
      forged(['1', "' or 1=1"]),
      forged(['99999999999999']),
    ];
    for (const cursor of bad) expect((await api.as(reader).get(`/tasks?cursor=${cursor}`)).status).toBe(422);
    expect((await api.as(reader).get(`/tasks?cursor=${next_cursor}&sort=priority`)).status).toBe(422);
    const [far, none] = [
      forged(['99999999999999', '00000000-0000-0000-0000-000000000000']),
      forged(['0', '00000000-0000-0000-0000-000000000000']),
    ];
    expect((await api.as(reader).get(`/tasks?cursor=${far}`)).status).toBe(200);
    expect((await api.as(reader).get(`/tasks?cursor=${none}`)).body.items).toEqual([]);
  });
});
