import { resolveSecret } from '../../commands/resolve-secret.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const root = () => api.as(api.admin);

describe('users', () => {
  it('are made with a key, read, changed and found', async () => {
    const made = await root()
      .post('/users')
      .send({ username: 'grace', email: 'grace@example.org', rights: ['shell', 'shell'], quota: null });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ username: 'grace', role: 'user', rights: ['shell'], quota: null, used_quota: 0, is_active: true });
    expect((await root().post('/users').send({ username: 'grace' })).status).toBe(409);
    expect((await root().post('/users').send({ username: 'other', email: 'grace@example.org' })).status).toBe(409);
    const changed = await root().patch(`/users/${made.body.id}`).send({ rights: [], quota: 7, email: null, role: 'operator' });
    expect(changed.body).toMatchObject({ rights: [], quota: 7, email: null, role: 'operator', username: 'grace' });
    expect((await root().get('/users?role=operator&is_active=true')).body.items.map((u: { username: string }) => u.username)).toEqual([
      'operator',
      'grace',
    ]);
  });

  it('cannot take the e-mail address of another', async () => {
    const a = await root().post('/users').send({ username: 'first', email: 'taken@example.org' });
    const b = await root().post('/users').send({ username: 'second' });
    expect((await root().patch(`/users/${b.body.id}`).send({ email: 'taken@example.org' })).status).toBe(409);
    expect((await root().patch(`/users/${a.body.id}`).send({ email: 'taken@example.org' })).status).toBe(200);
  });

  it('always include an active administrator, even when two demote each other at once', async () => {
    const other = await root().post('/users').send({ username: 'deputy', role: 'admin' });
    const answers = await Promise.all([
      root().patch(`/users/${api.admin.id}`).send({ role: 'user' }),
      root().patch(`/users/${other.body.id}`).send({ is_active: false }),
    ]);
    expect(answers.map((a) => a.status).sort()).toEqual([200, 409]);
    await query(api.em, `update users set role = 'admin', is_active = true where id = $1`, [api.admin.id]);
  });
});

describe('secrets', () => {
  const resolve = (name: string, host: string | null, user_id = api.user.id) =>
    resolveSecret(api.em.fork() as Em, api.vault, { name, user_id, host });

  it('are stored encrypted, never shown, and replaced by PUT only', async () => {
    const secret = { name: 'token', value: 'hunter2-äöü', hosts: ['api.example.org', '*.example.net'], granted_to: ['user'] };
    const made = await root().post('/secrets').send(secret);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ name: 'token', hosts: secret.hosts, granted_to: ['user'] });
    expect((await root().post('/secrets').send(secret)).status).toBe(409);
    const stored = await query<{ text: string }>(api.em, `select encode(ciphertext, 'escape') as text from secrets where name = 'token'`);
    expect(stored[0]?.text).not.toContain('hunter2');
    const shown = [
      made.text,
      (await root().get('/secrets')).text,
      (await root().get('/audit-log?limit=200')).text,
      JSON.stringify(api.log_lines),
    ].join('\n');
    expect(shown).not.toContain('hunter2');
    expect(await resolve('token', 'api.example.org')).toBe('hunter2-äöü');
    expect(
      (
        await root()
          .put('/secrets/token')
          .send({ value: 'next', hosts: [], granted_to: ['*'] })
      ).status,
    ).toBe(200);
    expect(await resolve('token', null, api.stranger.id)).toBe('next');
  });

  it('go to the hosts they are bound to and to nobody who was not granted them', async () => {
    await root()
      .put('/secrets/bound')
      .send({ value: 'v', hosts: ['api.example.org', '*.example.net'], granted_to: ['user'] });
    for (const host of ['API.example.org', 'api.example.org.', 'a.example.net', 'a.b.example.net'])
      expect(await resolve('bound', host)).toBe('v');
    for (const host of ['example.net', 'evilexample.net', 'api.example.org.evil.com', 'xapi.example.org', null]) {
      await expect(resolve('bound', host)).rejects.toMatchObject({ code: 'forbidden' });
    }
    await expect(resolve('bound', 'api.example.org', api.stranger.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(resolve('none', null)).rejects.toMatchObject({ code: 'not_found' });
    await root()
      .put('/secrets/environment')
      .send({ value: 'v', granted_to: ['user'] });
    await expect(resolve('environment', 'api.example.org')).rejects.toMatchObject({ code: 'forbidden' });
    expect(await resolve('environment', null)).toBe('v');
  });

  it('are granted to users who exist only, and the bad name is pointed at', async () => {
    const answer = await root()
      .post('/secrets')
      .send({ name: 'x', value: 'the-value', granted_to: ['user', 'ghost'] });
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toEqual([{ pointer: '/granted_to/1', detail: 'user "ghost": there is none' }]);
    expect(answer.text).not.toContain('the-value');
  });

  it('never repeat their value in a refusal', async () => {
    const answer = await root()
      .post('/secrets')
      .send({ name: 'x', value: { inner: 'the-value' } });
    expect(answer.status).toBe(422);
    expect(answer.text).not.toContain('the-value');
  });

  it('are deleted', async () => {
    await root().put('/secrets/short-lived').send({ value: 'v' });
    expect((await root().delete('/secrets/short-lived')).status).toBe(204);
    expect((await root().delete('/secrets/short-lived')).status).toBe(404);
  });
});
