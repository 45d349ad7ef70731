import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const ops = () => api.as(api.operator);
const template = (name: string, body: Record<string, unknown>) =>
  ops()
    .post('/templates')
    .send({ name, engine: 'empty', queue: 'q', ...body });
const pointers = (answer: { body: { errors?: { pointer: string }[] } }) => answer.body.errors?.map(({ pointer }) => pointer);

describe('rate limits', () => {
  it('of a template are stored with what was left out, kept by a new version and taken away by null', async () => {
    const made = await template('limited', { rate_limit: { key: 'text', limit: 10, per_s: 60 } });
    expect(made.body.rate_limit).toEqual({ key: 'text', limit: 10, per_s: 60, burst: 10 });
    const changed = await ops().post('/templates/limited/versions').send({ priority: 7 });
    expect(changed.body.rate_limit).toEqual({ key: 'text', limit: 10, per_s: 60, burst: 10 });
    const plain = await ops()
      .post('/templates/limited/versions')
      .send({ rate_limit: { limit: 1, per_s: 3_600, burst: 5 } });
    expect(plain.body.rate_limit).toEqual({ key: null, limit: 1, per_s: 3_600, burst: 5 });
    expect((await ops().post('/templates/limited/versions').send({ rate_limit: null })).body.rate_limit).toBeNull();
  });

  it('of a queue can be set, changed and taken away, and wake the dispatcher', async () => {
    const made = await ops()
      .post('/queues')
      .send({ name: 'limited', capacity: 5, pool: 'p', rate_limit: { limit: 3, per_s: 1 } });
    expect(made.body).toMatchObject({ rate_limit: { limit: 3, per_s: 1, burst: 3 }, fairness: 'none' });
    api.notified.length = 0;
    const changed = await ops()
      .patch('/queues/limited')
      .send({ rate_limit: { limit: 3, per_s: 1, burst: 1 }, fairness: 'user' });
    expect(changed.body).toMatchObject({ rate_limit: { limit: 3, per_s: 1, burst: 1 }, fairness: 'user' });
    expect(api.notified).toEqual(['dispatch']);
    expect((await ops().patch('/queues/limited').send({ rate_limit: null })).body.rate_limit).toBeNull();
    expect((await ops().get('/queues/limited')).body).toMatchObject({ rate_limit: null, fairness: 'user' });
  });

  it.each([
    [{ limit: 0, per_s: 1 }, '/rate_limit/limit'],
    [{ limit: 1 }, '/rate_limit/per_s'],
    [{ limit: 1, per_s: 2_592_001 }, '/rate_limit/per_s'],
    [{ limit: 1, per_s: 1, burst: 0 }, '/rate_limit/burst'],
    [{ limit: 1, per_s: 2_592_000, burst: 1_000 }, '/rate_limit/burst'],
    [{ limit: 1, per_s: 1, key: 'a b' }, '/rate_limit/key'],
    [{ limit: 1, per_s: 1, window: 3 }, '/rate_limit/window'],
  ])('are refused: %j', async (rate_limit, pointer) => {
    const answer = await template('refused', { rate_limit });
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toContain(pointer);
  });

  it('of a queue have no key, and fairness no other words', async () => {
    const answer = await ops()
      .patch('/queues/q')
      .send({ rate_limit: { limit: 1, per_s: 1, key: 'text' }, fairness: 'group' });
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toEqual(expect.arrayContaining(['/rate_limit/key', '/fairness']));
  });
});

describe('a deadline', () => {
  it('is taken with an offset, shown in UTC, changed and taken away', async () => {
    const user = api.as(api.user);
    const made = await user.post('/tasks').send({ template: 't', deadline: '2100-01-01T00:00:00+01:00' });
    expect(made.body.deadline).toBe('2099-12-31T23:00:00.000Z');
    const path = `/tasks/${made.body.uuid}`;
    expect((await user.get(path)).body.deadline).toBe('2099-12-31T23:00:00.000Z');
    expect((await user.patch(path).send({ deadline: null })).body.deadline).toBeNull();
    expect((await user.patch(path).send({ deadline: '1999-01-01T00:00:00Z' })).body.deadline).toBe('1999-01-01T00:00:00.000Z');
    for (const [method, body] of [
      ['patch', { deadline: 'tomorrow' }],
      ['post', { template: 't', deadline: 7 }],
    ] as const) {
      const answer = await user[method](method === 'patch' ? path : '/tasks').send(body);
      expect(answer.status).toBe(422);
      expect(new Set(pointers(answer))).toEqual(new Set(['/deadline']));
    }
  });
});
