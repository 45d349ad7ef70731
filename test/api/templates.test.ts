import { createTestApi, makeCaller, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const ops = () => api.as(api.operator);
const create = (body: Record<string, unknown>) =>
  ops()
    .post('/templates')
    .send({ engine: 'empty', queue: 'q', ...body });

describe('templates', () => {
  it('take schema and resources from their engine unless they say otherwise', async () => {
    const made = await create({ name: 'plain' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'plain',
      engine: 'empty',
      current_version: 1,
      cpu: 1,
      memory_mb: 100,
      timeout: 3600,
      quota_cost: 0,
    });
    expect(made.body.schema.properties).toHaveProperty('n');
    expect(made.body.retry_policy).toEqual({ max_attempts: 1, initial_s: 1, factor: 2, max_s: 300, jitter: 0, codes: null });
    expect(made.body.versions).toHaveLength(1);
    expect((await create({ name: 'plain' })).status).toBe(409);
  });

  it('get new versions that leave old tasks alone and keep what is not named', async () => {
    await create({ name: 'versioned', parameters: { n: 1 }, priority: 30, description: 'first', retry_policy: { max_attempts: 4 } });
    const first = await api.as(api.user).post('/tasks').send({ template: 'versioned' });
    const changed = await ops()
      .post('/templates/versioned/versions')
      .send({ parameters: { n: 2 }, retry_policy: { factor: 3 } });
    expect(changed.status).toBe(201);
    expect(changed.body).toMatchObject({ current_version: 2, priority: 30, description: 'first', parameters: { n: 2 } });
    expect(changed.body.retry_policy).toMatchObject({ max_attempts: 4, factor: 3 });
    expect(changed.body.versions.map((v: { version: number; parameters: unknown }) => [v.version, v.parameters])).toEqual([
      [2, { n: 2 }],
      [1, { n: 1 }],
    ]);
    const second = await api.as(api.user).post('/tasks').send({ template: 'versioned' });
    expect([first.body.parameters, second.body.parameters]).toEqual([{ n: 1 }, { n: 2 }]);
    expect((await api.as(api.user).get(`/tasks/${first.body.uuid}`)).body.template_version).toBe(1);
  });

  it('number versions without gaps when many arrive at once', async () => {
    await create({ name: 'contended' });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => ops().post('/templates/contended/versions').send({ priority: i })),
    );
    expect(answers.map((a) => a.body.current_version).sort()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('of an engine that needs a right are written by those who have it, since they run with the right of whoever submits them', async () => {
    const command = { name: 'command', engine: 'shell' };
    expect((await create(command)).status).toBe(403);
    expect(
      (
        await api
          .as(api.admin)
          .post('/templates')
          .send({ ...command, queue: 'q' })
      ).status,
    ).toBe(201);
    expect(
      (
        await ops()
          .post('/templates/command/versions')
          .send({ parameters: { text: 'mine' } })
      ).status,
    ).toBe(403);
    const trusted = await makeCaller(api.em, 'trusted', { role: 'operator', rights: ['shell'] });
    expect(
      (
        await api
          .as(trusted)
          .post('/templates/command/versions')
          .send({ parameters: { text: 'ours' } })
      ).status,
    ).toBe(201);
  });

  it('narrow what a task may say by their schema', async () => {
    await create({
      name: 'narrow',
      schema: { type: 'object', properties: { n: { type: 'integer', maximum: 5 } }, required: ['n'], additionalProperties: false },
    });
    expect(
      (
        await api
          .as(api.user)
          .post('/tasks')
          .send({ template: 'narrow', parameters: { n: 5 } })
      ).status,
    ).toBe(201);
    const answer = await api
      .as(api.user)
      .post('/tasks')
      .send({ template: 'narrow', parameters: { n: 6, x: 1 } });
    expect(answer.status).toBe(422);
    expect(answer.body.errors.map((e: { pointer: string }) => e.pointer).sort()).toEqual(['/parameters/n', '/parameters/x']);
  });

  it.each([
    ['an unknown engine', { engine: 'nope' }, '/engine'],
    ['an unknown queue', { queue: 'nope' }, '/queue'],
    ['a schema that is none', { schema: { type: 'nothing' } }, '/schema'],
    ['a remote reference', { schema: { $ref: 'https://example.org/x.json' } }, '/schema/$ref'],
    ['a reference deep inside', { schema: { properties: { a: { $ref: 'file:///etc/passwd' } } } }, '/schema/properties/a/$ref'],
    ['an identity', { schema: { $id: 'https://example.org/x.json' } }, '/schema/$id'],
    ['another dialect', { schema: { $schema: 'http://json-schema.org/draft-04/schema#' } }, '/schema/$schema'],
    [
      'a pattern that may never end',
      { schema: { properties: { a: { type: 'string', pattern: '^(a+)+$' } } } },
      '/schema/properties/a/pattern',
    ],
    [
      'a pattern that hides its repetition in further groups',
      { schema: { properties: { a: { pattern: '^(?:x|[)(]|((a+)))+$' } } } },
      '/schema/properties/a/pattern',
    ],
    ['a pattern that is none', { schema: { properties: { a: { type: 'string', pattern: '(' } } } }, '/schema'],
    ['a huge schema', { schema: { description: Array.from({ length: 40 }, () => 'x'.repeat(2_000)).join('') } }, '/schema'],
    [
      'a deep schema',
      { schema: Array.from({ length: 14 }).reduce<object>((inner) => ({ items: { not: inner } }), {}) },
      '/schema/items/not',
    ],
    ['defaults that the engine refuses', { parameters: { n: 'x' } }, '/parameters/n'],
  ])('refuse %s', async (_name, body, pointer) => {
    const answer = await create({ name: 'bad', ...body });
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer.startsWith(pointer)).toBe(true);
    expect((await ops().get('/templates/bad')).status).toBe(404);
  });

  const doubling = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`d${i}`, { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }]),
  );
  it.each([
    ['patterns that try many ways', 'ways', { properties: { text: { pattern: '^a*a*a*a*a*b$' } } }],
    ['references that double', 'double', { $ref: '#/$defs/d0', $defs: { ...doubling, d40: {} } }],
    ['a reference to itself', 'itself', { $ref: '#' }],
  ])(
    'cannot stall the server by %s',
    async (_why, name, schema) => {
      expect((await create({ name, schema })).status).toBe(201);
      const item = { template: name, parameters: { text: 'a'.repeat(20_000) } };
      const answer = await api.as(api.user).post('/tasks').send([item, item, item]);
      expect(answer.status).toBe(422);
      expect(answer.body.detail).toContain('takes too long');
    },
    10_000,
  );

  it('are deleted with their versions while no task was made from them', async () => {
    await create({ name: 'unused' });
    await ops().post('/templates/unused/versions').send({ priority: 1 });
    expect((await ops().delete('/templates/unused')).status).toBe(204);
    await create({ name: 'used' });
    await api.as(api.user).post('/tasks').send({ template: 'used' });
    expect((await ops().delete('/templates/used')).status).toBe(409);
  });
});
