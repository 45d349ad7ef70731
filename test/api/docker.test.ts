import supertest from 'supertest';
import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { makeWorker } from '../support/factories.ts';
import { DOCKER_ROUTE_CASES } from '../support/route-cases-docker.ts';

let api: TestApi;
const ID = (n: number): string => `sha256:${String(n).repeat(64).slice(0, 64)}`;
beforeAll(async () => {
  api = await createTestApi();
  await DOCKER_ROUTE_CASES.pullImage?.(api);
  await query(api.em, `update workers set engines = engines || '{image}', docker_id = 'd1' where id = 'w'`);
  await query(
    api.em,
    `insert into docker_image (docker_id, image_id, repo_tags, size) values ('d1', $1, '{app:1}', 100), ('d1', $2, '{old:1}', 50)`,
    [ID(1), ID(2)],
  );
  await query(api.em, `update docker_image set removed_at = now() where image_id = $1`, [ID(2)]);
  await query(
    api.em,
    `insert into docker_container (docker_id, container_id, container_name, image_id, image_name, status) values ('d1', repeat('a', 64), 'web', $1, 'app:1', 'running'),
       ('d1', repeat('b', 64), 'gone', $1, 'app:1', 'removed')`,
    [ID(1)],
  );
  await query(api.em, `update docker_container set removed_at = now() where status = 'removed'`);
});
afterAll(async () => await api.stop());

const get = async (path: string) => {
  const answer = await api.as(api.operator).get(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.body;
};
const row = async (operation: string, status: string, image: number) => {
  const sql = `insert into docker_image_log (docker_id, worker, image_id, image_name, operation, status, actor, task_id, runid, bytes, duration_ms, ended_at)
    values ('d1', 'w', $1, 'app:1', $2, $3, 'user:x', gen_random_uuid(), gen_random_uuid(), 10, 20, case when $3 <> 'started' then now() end) returning id::int4 as id, task_id`;
  return (await query<{ id: number; task_id: string }>(api.em, sql, [ID(image), operation, status]))[0] as { id: number; task_id: string };
};

test('images by id, short id and name; those that are gone only when asked for', async () => {
  expect((await get('/docker/images')).items).toMatchObject([{ image_id: ID(1), containers: 1, size: 100 }]);
  expect((await get('/docker/images?removed=true')).items).toMatchObject([{ image_id: ID(2) }]);
  for (const name of [ID(1), ID(1).slice(7), ID(1).slice(7, 19), 'app:1'])
    expect(await get(`/docker/images/${name}`)).toMatchObject({ image_id: ID(1) });
  expect((await api.as(api.operator).get('/docker/images/nothing:1')).status).toBe(404);
});

test('containers with their image and what their log holds, also when they are gone', async () => {
  await api
    .as(api.operator)
    .post('/container-logs/analyze')
    .send({ container_id: 'a'.repeat(64), text: 'ERROR a\nINFO b\nINFO c' });
  expect(await get('/docker/containers/web')).toMatchObject({ image: { repo_tags: ['app:1'] }, segments: { error: 1, info: 2 } });
  expect((await get('/docker/containers?status=removed')).items).toMatchObject([{ container_name: 'gone' }]);
  expect((await get('/docker/containers/bbbbbbbbbbbb')).container_name).toBe('gone');
  const views = await query(
    api.em,
    `select segment_type, count::int as n from container_log_statistics where container_id = $1 order by 1`,
    ['a'.repeat(64)],
  );
  expect(views).toEqual([
    { segment_type: 'error', n: 1 },
    { segment_type: 'info', n: 2 },
  ]);
});

test('image logs: listed, by image, counted, deleted once they have ended', async () => {
  const done = await row('pull', 'succeeded', 1);
  const open = await row('push', 'started', 1);
  await row('pull', 'failed', 2);
  expect((await get('/docker/image-logs?status=started')).items).toMatchObject([{ id: open.id, operation: 'push', ended_at: null }]);
  expect((await get(`/docker/image-logs/image/${ID(2).slice(7, 19)}`)).items).toHaveLength(1);
  expect((await get(`/docker/image-logs?task_id=${done.task_id}`)).items).toMatchObject([{ id: done.id }]);
  expect((await get('/docker/image-logs/stats')).items).toMatchObject([
    { operation: 'pull', total: 2, succeeded: 1, failed: 1, bytes: 20, mean_duration_ms: 20 },
    { operation: 'push', total: 1, started: 1 },
  ]);
  expect((await api.as(api.operator).delete(`/docker/image-logs/${open.id}`)).status).toBe(409);
  expect((await api.as(api.operator).delete(`/docker/image-logs/${done.id}`)).status).toBe(204);
  expect((await api.as(api.operator).get(`/docker/image-logs/${done.id}`)).status).toBe(404);
});

test('an operation is a task that only its worker can run', async () => {
  const answer = await api.as(api.operator).post('/docker/images/pull').send({ image: 'app:1', docker_id: 'd1' });
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({ type: 'image', parameters: { operation: 'pull', image: 'app:1', worker: 'w' }, queue: 'q' });
  expect(await query(api.em, 'select need from tasks where uuid = $1', [answer.body.uuid])).toEqual([{ need: 'image|0.1|64|on w' }]);
  const alone = await api.as(api.operator).post('/docker/images/prune').send({});
  expect(alone.body.parameters.worker).toBe('w');
});

test('what is wrong is named where it stands in the request', async () => {
  const refused = async (path: string, body: object) => {
    const answer = await api.as(api.operator).post(`/docker/images/${path}`).send(body);
    return [answer.status, answer.body.errors?.map(({ pointer }: { pointer: string }) => pointer)];
  };
  expect(await refused('pull', { image: 'a b', worker: 'w' })).toEqual([422, ['/image']]);
  expect(await refused('pull', { image: 'a', worker: 'nobody' })).toEqual([422, ['/worker']]);
  expect(await refused('tag', { image: 'a', target: 'UPPER', worker: 'w' })).toEqual([422, ['/target']]);
  await makeWorker(api.em, 'second');
  await query(api.em, `update workers set engines = engines || '{image}' where id = 'second'`);
  expect(await refused('prune', {})).toEqual([422, ['/worker']]);
  const asUser = await api
    .as(api.user)
    .post('/tasks')
    .send({ template: 'image', parameters: { operation: 'prune', worker: 'w' } });
  expect(asUser.status).toBe(403);
});

test('an operation that nobody ends is ended with its task', async () => {
  const { body } = await api.as(api.operator).post('/docker/images/pull').send({ image: 'app:1', worker: 'w' });
  const open = `insert into docker_image_log (image_name, operation, status, actor, task_id, runid) values ('app:1', 'pull', 'started', 'user:operator', $1, gen_random_uuid())`;
  await query(api.em, open, [body.uuid]);
  await api.as(api.operator).post(`/tasks/${body.uuid}/cancel`).send({ reason: 'because' });
  expect((await get(`/docker/image-logs?task_id=${body.uuid}`)).items).toMatchObject([
    { status: 'failed', error_code: 'cancelled', ended_at: expect.any(String) },
  ]);
});

test('a running operation is followed to its end', async () => {
  const open = await row('build', 'started', 1);
  const events = supertest(api.app)
    .get(`/api/v1/docker/image-logs/${open.id}/events`)
    .set('Authorization', `Bearer ${api.operator.key}`)
    .buffer(true);
  const answer = events.parse((res, done) => {
    let text = '';
    res.on('data', (chunk: Buffer) => {
      text += chunk;
      if (text.includes('event: progress'))
        void query(api.em.fork(), `update docker_image_log set status = 'succeeded', ended_at = now() where id = $1`, [open.id]);
    });
    res.on('end', () => done(null, text));
  });
  const { body } = await answer;
  expect(body).toMatch(/event: progress[\s\S]*event: end/);
});
