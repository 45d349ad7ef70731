import supertest from 'supertest';
import { newApiKey } from '../../commands/api-key.ts';
import { query } from '../../entities/sql.ts';
import { createTestApi, makeCaller, type TestApi } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const me = async (authorization?: string) => {
  const request = supertest(api.app).get('/api/v1/users/me');
  return authorization === undefined ? await request : await request.set('Authorization', authorization);
};

describe('authentication', () => {
  it('accepts the key of a user and says who it is', async () => {
    const answer = await me(`Bearer ${api.user.key}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ username: 'user', role: 'user', has_api_key: true });
    expect(answer.text).not.toMatch(/[0-9a-f]{64}/);
  });

  it.each([
    ['no header', undefined],
    ['an empty header', ''],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['no key', 'Bearer '],
    ['no key of ours', 'Bearer hello'],
    ['an unknown user', `Bearer ${newApiKey(987_654).key}`],
    ['a user id beyond all integers', `Bearer eng_zzzzzzzzzzzzz_${'a'.repeat(43)}`],
    ['a very long key', `Bearer eng_1_${'a'.repeat(5_000)}`],
    ['two keys', `Bearer ${newApiKey(1).key} ${newApiKey(2).key}`],
  ])('refuses %s with 401 and WWW-Authenticate', async (_name, header) => {
    const answer = await me(header);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(answer.body.code).toBe('unauthenticated');
  });

  it('refuses a wrong secret of a known user', async () => {
    expect((await me(`Bearer ${newApiKey(api.user.id).key}`)).status).toBe(401);
  });

  it('notes the time of last use without being asked twice', async () => {
    const caller = await makeCaller(api.em, 'seen');
    await me(`Bearer ${caller.key}`);
    await eventually(async () => {
      const answer = await api.as(api.admin).get(`/users/${caller.id}`);
      expect(answer.body.last_used_at).not.toBeNull();
    });
  });
});

describe('keys', () => {
  it('rotate with a grace period in which both are valid, then only the new one', async () => {
    const caller = await makeCaller(api.em, 'rotating');
    const rotated = await api.as(api.admin).post(`/users/${caller.id}/api-key`).send({ grace_s: 60 });
    expect(rotated.status).toBe(201);
    expect(rotated.body.api_key).toMatch(/^eng_[0-9a-z]+_[A-Za-z0-9_-]{43}$/);
    expect((await me(`Bearer ${caller.key}`)).status).toBe(200);
    expect((await me(`Bearer ${rotated.body.api_key}`)).status).toBe(200);
    const again = await api.as(api.admin).post(`/users/${caller.id}/api-key`);
    expect((await me(`Bearer ${caller.key}`)).status).toBe(401);
    expect((await me(`Bearer ${rotated.body.api_key}`)).status).toBe(401);
    expect((await me(`Bearer ${again.body.api_key}`)).status).toBe(200);
  });

  it('end when their grace period is over', async () => {
    const caller = await makeCaller(api.em, 'graced');
    await api.as(api.admin).post(`/users/${caller.id}/api-key`).send({ grace_s: 60 });
    await query(api.em, `update users set previous_api_key_until = now() - interval '1 second' where id = $1`, [caller.id]);
    expect((await me(`Bearer ${caller.key}`)).status).toBe(401);
  });

  it('are refused at once when revoked or when their user is made inactive', async () => {
    const [revoked, inactive] = [await makeCaller(api.em, 'revoked'), await makeCaller(api.em, 'inactive')];
    expect((await me(`Bearer ${revoked.key}`)).status).toBe(200);
    expect((await me(`Bearer ${inactive.key}`)).status).toBe(200);
    expect((await api.as(api.admin).delete(`/users/${revoked.id}/api-key`)).status).toBe(204);
    expect((await api.as(api.admin).patch(`/users/${inactive.id}`).send({ is_active: false })).body.is_active).toBe(false);
    expect((await me(`Bearer ${revoked.key}`)).status).toBe(401);
    expect((await me(`Bearer ${inactive.key}`)).status).toBe(401);
  });

  it('lose rights as soon as their user does', async () => {
    const caller = await makeCaller(api.em, 'demoted', { role: 'operator' });
    expect((await api.as(caller).get('/workers')).status).toBe(200);
    await api.as(api.admin).patch(`/users/${caller.id}`).send({ role: 'user' });
    expect((await api.as(caller).get('/workers')).status).toBe(403);
  });

  it('never reach the log, the audit log or an answer other than the first', async () => {
    const made = await api.as(api.admin).post('/users').send({ username: 'newcomer', role: 'user' });
    expect(made.status).toBe(201);
    const key: string = made.body.api_key;
    expect((await me(`Bearer ${key}`)).status).toBe(200);
    const everything = [
      JSON.stringify(api.log_lines),
      (await api.as(api.admin).get('/audit-log?limit=200')).text,
      (await api.as(api.admin).get('/users?limit=200')).text,
    ].join('\n');
    const hashes = await query<{ api_key: string }>(api.em, 'select api_key from users where api_key is not null');
    for (const secret of [key, ...hashes.map((row) => row.api_key)]) expect(everything).not.toContain(secret);
  });
});

describe('rate limits', () => {
  it('answer 429 with Retry-After before the body is read, per key', async () => {
    const limited = await createTestApi({ RATE_LIMIT_PER_MINUTE: 5 });
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 7; i++) statuses.push((await limited.as(limited.user).get('/users/me')).status);
      expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
      const other = await limited.as(limited.operator).get('/users/me');
      expect(other.status).toBe(200);
      const malformed = await limited.as(limited.user).post('/tasks').set('Content-Type', 'application/json').send('{');
      expect(malformed.status).toBe(429);
      expect(Number(malformed.headers['retry-after'])).toBeGreaterThan(0);
      expect(malformed.headers['content-type']).toMatch(/problem\+json/);
      const anonymous = await limited.as(null).get('/users/me');
      expect([401, 429]).toContain(anonymous.status);
      expect((await limited.as(limited.admin).get('/users/me')).status).toBe(429);
    } finally {
      await limited.stop();
    }
  });
});
