import { VideoKeeper } from '../../dispatcher/video-keeper.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { DayStatistics, VideoTaskDetail } from '../../schemas/video.ts';
import { createTestApi, makeCaller, type TestApi } from '../support/api.ts';
import { contextOf, submitOne } from '../support/factories.ts';
import { finishedVideo, ownVideo } from '../support/route-cases-video.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const mine = () => api.as(api.user);
const ledger = async (uuid: string) => {
  const { body } = await mine().get(`/quota-ledger?task_id=${uuid}`);
  return (body.items as { kind: string; round: number; amount: number }[]).map(({ kind, round }) => `${round} ${kind}`).toReversed();
};
const used = async (id: number): Promise<number> =>
  (await query<{ n: number }>(api.em, 'select used_quota as n from users where id = $1', [id]))[0]?.n ?? -1;
const setTask = (uuid: string, set: string) => query(api.em, `update tasks set ${set} where uuid = '${uuid}'`);

describe('submitting a video', () => {
  it('answers with the task under the names of its document, and warns when nothing can render it', async () => {
    await query(api.em, `update workers set engines = '{empty}'`);
    const { status, body, headers } = await mine()
      .post('/video/tasks')
      .send({ prompt: '制作森林探险视频', priority: 70, tags: { a: 'b' } });
    await query(api.em, `update workers set engines = '{empty,other,shell,video}'`);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      prompt: '制作森林探险视频',
      status: 'queued',
      progress: 0,
      total_scenes: 0,
      completed_scenes: 0,
      final_video_path: null,
      error_message: null,
      started_at: null,
      duration: null,
      user: 'user',
      priority: 70,
      warnings: [expect.stringContaining('offers video')],
    });
    expect(headers.location).toBe(`/api/v1/video/tasks/${body.task_id}`);
    expect(api.notified).toContain('dispatch');
  });

  it('leaves what was not said to the template', async () => {
    const { body } = await mine().post('/video/tasks').send({ prompt: 'x' });
    const [row] = await query<{ parameters: object }>(api.em, 'select parameters from tasks where uuid = $1', [body.task_id]);
    expect(row?.parameters).toEqual({ prompt: 'x' });
  });

  it.each([
    [{}, '/prompt', 'expected a prompt or scenes'],
    [{ prompt: 'x', width: 63 }, '/width', ''],
    [{ prompt: 'x', scenes: [{ description: 'y' }], scene_count: 2 }, '/scene_count', 'the scenes are given'],
    [{ scenes: [{ description: 'y', duration: 61 }] }, '/scenes/0/duration', ''],
    [{ scenes: Array.from({ length: 11 }, () => ({ description: 'y', duration: 60 })) }, '/scenes', '660 s'],
    [{ scenes: [{ description: 'y', picture: 'a.png' }] }, '/scenes/0/picture', 'VIDEO_PICTURES_DIR'],
    [{ template: 't' }, '/template', 'runs empty, expected one of the engine video'],
    [{ prompt: 'x', template: 'nothing' }, '/template', 'there is none'],
    [{ prompt: 'x', fly: 1 }, '/fly', 'not a known field'],
  ])('%j is refused at %s', async (body, pointer, detail) => {
    const before = await used(api.user.id);
    const answer = await mine().post('/video/tasks').send(body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringContaining(detail) });
    expect(await used(api.user.id)).toBe(before);
  });

  it('gives the first answer again to the same key, and refuses the key for another video', async () => {
    const send = (prompt: string) => mine().post('/video/tasks').set('Idempotency-Key', 'video-1').send({ prompt });
    const first = await send('x');
    const again = await send('x');
    expect(again.body.task_id).toBe(first.body.task_id);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect((await send('y')).status).toBe(422);
  });
});

describe('the quota', () => {
  it('takes exactly what is left of fifty submits at once', async () => {
    const caller = await makeCaller(api.em, 'fifty', { quota: 10 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => api.as(caller).post('/video/tasks').send({ prompt: 'x' })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(40);
    expect(answers.find(({ status }) => status === 429)?.body).toMatchObject({ code: 'quota_exceeded' });
    expect(await used(caller.id)).toBe(10);
    const { body } = await api.as(caller).get('/quota-ledger?limit=100');
    expect(body.items).toHaveLength(10);
  });

  it('is refunded once to what fails or is cancelled without output, and charged again by a retry', async () => {
    const before = await used(api.user.id);
    const uuid = await ownVideo(api);
    expect(await used(api.user.id)).toBe(before + 1);
    await mine().post(`/video/tasks/${uuid}/cancel`);
    await mine().post(`/video/tasks/${uuid}/cancel`);
    expect(await used(api.user.id)).toBe(before);
    await mine().post(`/video/tasks/${uuid}/retry`);
    expect(await used(api.user.id)).toBe(before + 1);
    await setTask(uuid, `status = 'failed', completed_at = now()`);
    expect(await used(api.user.id)).toBe(before);
    expect(await ledger(uuid)).toEqual(['1 reserve', '1 refund', '2 reserve', '2 refund']);
  });

  it('is not refunded once a scene was made, and then a retry costs nothing', async () => {
    const before = await used(api.user.id);
    const uuid = await ownVideo(api);
    await setTask(uuid, `status = 'processing'`);
    await setTask(uuid, `total_scenes = 2, completed_scenes = 1, progress = 50, status = 'failed', completed_at = now()`);
    expect(await used(api.user.id)).toBe(before + 1);
    expect((await mine().post(`/video/tasks/${uuid}/retry`)).body).toMatchObject({ status: 'queued', progress: 50, completed_scenes: 1 });
    expect(await used(api.user.id)).toBe(before + 1);
    expect(await ledger(uuid)).toEqual(['1 reserve', '1 commit']);
  });
});

describe('one video', () => {
  it('comes with script and scenes; others do not see it, nor tasks of other engines under its path', async () => {
    const uuid = await finishedVideo(api);
    const { body } = await mine().get(`/video/tasks/${uuid}`);
    expect(body as VideoTaskDetail).toMatchObject({
      task_id: uuid,
      status: 'completed',
      progress: 100,
      final_video_path: `videos/${uuid}/video.mp4`,
      duration: expect.closeTo(8, 0),
      scripts: [
        { scene_number: 1, description: 'one', duration: 1 },
        { scene_number: 2, duration: 2 },
      ],
      videos: [
        { scene_number: 1, status: 'completed', frames: 24 },
        { scene_number: 2, frames: 48 },
      ],
    });
    for (const path of ['', '/video', '/scenes/1', '/events', '/thumbnail', '/subtitles']) {
      expect([path, (await api.as(api.stranger).get(`/video/tasks/${uuid}${path}`)).status]).toEqual([path, 404]);
    }
    const other = await submitOne(contextOf(api.em, api.user));
    expect((await mine().get(`/video/tasks/${other.uuid}`)).status).toBe(404);
    expect((await mine().post(`/video/tasks/${other.uuid}/cancel`)).status).toBe(404);
  });

  it('is sent whole and in ranges', async () => {
    const uuid = await finishedVideo(api);
    const whole = await mine().get(`/video/tasks/${uuid}/video`);
    expect([whole.status, whole.headers['content-type'], whole.headers['accept-ranges'], whole.headers['content-length']]).toEqual([
      200,
      'video/mp4',
      'bytes',
      '10',
    ]);
    const part = await mine().get(`/video/tasks/${uuid}/video`).set('Range', 'bytes=2-5').buffer(true);
    expect([part.status, part.headers['content-range'], part.body.toString()]).toEqual([206, 'bytes 2-5/10', '2345']);
    expect((await mine().get(`/video/tasks/${uuid}/video`).set('Range', 'bytes=90-')).status).toBe(416);
    const saved = await mine().get(`/video/tasks/${uuid}/scenes/1?download=true`);
    expect(saved.headers['content-disposition']).toContain(`${uuid}-1.mp4`);
    expect((await mine().get(`/video/tasks/${uuid}/scenes/1/thumbnail`)).headers['content-type']).toBe('image/jpeg');
    expect((await mine().get(`/video/tasks/${uuid}/subtitles`)).text).toBe('WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsaid\n');
    expect((await mine().get(`/video/tasks/${uuid}/scenes/9`)).status).toBe(404);
    expect((await mine().get(`/video/tasks/${await ownVideo(api)}/video`)).status).toBe(404);
  });

  it('loses its files when its owner says so, and what they took is free again', async () => {
    const caller = await makeCaller(api.em, 'tidy');
    const as: TestApi = { ...api, user: caller };
    const uuid = await finishedVideo(as);
    const storage = async () => (await api.as(caller).get('/video/storage')).body as { used_bytes: number; files: number };
    expect((await storage()).files).toBe(6);
    const running = await ownVideo(as);
    expect((await api.as(caller).delete(`/video/tasks/${running}/files`)).status).toBe(409);
    expect((await api.as(caller).delete(`/video/tasks/${uuid}/files`)).body).toMatchObject({ status: 'completed', final_video_path: null });
    expect((await api.as(caller).get(`/video/tasks/${uuid}/video`)).status).toBe(404);
    expect((await api.as(caller).get(`/video/tasks/${uuid}/scenes/1`)).status).toBe(404);
    await keeper().tick();
    expect(await storage()).toEqual({ used_bytes: 0, limit_bytes: 10_240 * 1_048_576, files: 0 });
    expect(await api.artifacts.stat(`videos/${uuid}/scene-001.mp4`)).toBeNull();
  });

  it('takes its files with it when it is removed by age', async () => {
    const uuid = await finishedVideo(api);
    await query(api.em, 'delete from tasks where uuid = $1', [uuid]).catch(() => undefined);
    await api.em.transactional(async (tx) => {
      await query(tx as Em, `set local orchestrator.retention = 'on'`);
      await query(tx as Em, 'delete from task_history where task_id = $1', [uuid]);
      await query(tx as Em, 'delete from tasks where uuid = $1', [uuid]);
    });
    expect(await api.artifacts.stat(`videos/${uuid}/video.mp4`)).not.toBeNull();
    await keeper().tick();
    expect(await api.artifacts.stat(`videos/${uuid}/video.mp4`)).toBeNull();
    expect(await query(api.em, 'select 1 from video_files where task_id is null')).toEqual([]);
  });
});

const keeper = () =>
  new VideoKeeper({
    fork: () => api.database.orm.em.fork() as Em,
    database_url: api.database.url,
    artifacts: api.artifacts,
    logger: { info: () => undefined, warn: (given: { err: unknown }) => void expect(given.err).toBeUndefined() } as never,
  });

describe('events', () => {
  type Event = { id: string | null; event: string; data: Record<string, unknown> };
  const parse = (text: string): Event[] =>
    text
      .split('\n\n')
      .filter((block) => block.includes('data: '))
      .map((block) => {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? null;
        return { id: field('id'), event: field('event') ?? '', data: JSON.parse(field('data') ?? '{}') as Record<string, unknown> };
      });

  it('are every change, in order, and go on after the last one seen', async () => {
    const uuid = await ownVideo(api);
    await setTask(uuid, `status = 'processing'`);
    await setTask(uuid, 'total_scenes = 1, progress = 10');
    await query(api.em, `insert into videos (task_id, scene_number, file_path, status, attempts) values ($1, 1, 'x', 'rendering', 1)`, [
      uuid,
    ]);
    for (const progress of [20, 40, 60]) await setTask(uuid, `progress = ${progress}`);
    await setTask(uuid, `tags = '{}'`);
    await setTask(uuid, `status = 'failed', completed_at = now(), error = '{"code":"x","message":"no"}'`);
    const all = parse((await mine().get(`/video/tasks/${uuid}/events`)).text);
    expect(all.map(({ event, data }) => `${event} ${data.status ?? ''} ${data.progress ?? data.scene_number ?? ''}`)).toEqual([
      'status queued 0',
      'status processing 0',
      'progress processing 10',
      'scene rendering 1',
      'progress processing 20',
      'progress processing 40',
      'progress processing 60',
      'scene interrupted 1',
      'status failed 60',
      'end failed ',
    ]);
    expect(all.at(-2)?.data.error_message).toBe('no');
    const rest = parse(
      (
        await mine()
          .get(`/video/tasks/${uuid}/events`)
          .set('Last-Event-ID', all[5]?.id ?? '')
      ).text,
    );
    expect(rest).toEqual(all.slice(6));
  });
});

describe('lists and counts', () => {
  it('show one’s own, page by page, by state', async () => {
    const caller = await makeCaller(api.em, 'lister');
    const as: TestApi = { ...api, user: caller };
    const uuids = [await ownVideo(as), await ownVideo(as), await finishedVideo(as)];
    await submitOne(contextOf(api.em, caller));
    const first = await api.as(caller).get('/video/tasks?limit=2');
    const second = await api.as(caller).get(`/video/tasks?limit=2&cursor=${first.body.next_cursor}`);
    const seen = [...first.body.items, ...second.body.items].map(({ task_id }) => task_id);
    expect(seen).toEqual(uuids.toReversed());
    expect(second.body.next_cursor).toBeNull();
    expect((await api.as(caller).get('/video/tasks?status=completed')).body.items).toHaveLength(1);
    expect((await api.as(caller).get('/video/tasks?user=user')).status).toBe(403);
    expect((await api.as(api.operator).get('/video/tasks?user=lister')).body.items).toHaveLength(3);
    expect((await api.as(caller).get('/statistics/status')).body).toEqual({
      counts: { pending: 0, queued: 2, processing: 0, completed: 1, failed: 0, cancelled: 0 },
      total: 3,
    });
  });
});

describe('statistics', () => {
  const dayOf = (offset: number) => new Date(Date.now() - offset * 86_400_000).toISOString().slice(0, 10);
  const of = async (client: ReturnType<TestApi['as']>, from: string, to: string) =>
    (await client.get(`/statistics?from=${from}&to=${to}`)).body.items as DayStatistics[];

  it('have a row for each day, zeros included, for operators of all and for users of their own', async () => {
    const caller = await makeCaller(api.em, 'counted');
    await finishedVideo({ ...api, user: caller });
    const own = await of(api.as(caller), dayOf(2), dayOf(0));
    expect(own.map(({ date }) => date)).toEqual([dayOf(2), dayOf(1), dayOf(0)]);
    expect(own[0]).toEqual({
      date: dayOf(2),
      total_tasks: 0,
      completed_tasks: 0,
      failed_tasks: 0,
      cancelled_tasks: 0,
      total_videos: 0,
      total_duration: 0,
      avg_generation_time: 0,
    });
    expect(own[2]).toMatchObject({
      total_tasks: 1,
      completed_tasks: 1,
      total_videos: 2,
      total_duration: 3,
      avg_generation_time: expect.closeTo(8, 0),
    });
    const [all] = await of(api.as(api.operator), dayOf(0), dayOf(0));
    expect(all?.total_tasks).toBeGreaterThan(own[2]?.total_tasks ?? 0);
  });

  it('of a day that is over are stored, stay what a recount gives, also after a retry, and after the tasks are gone', async () => {
    const old = dayOf(5);
    const uuids = [await finishedVideo(api), await finishedVideo(api), await ownVideo(api)];
    await query(api.em, `update tasks set created_at = $2::date + interval '13 hours' where uuid = any($1)`, [uuids, old]);
    await setTask(uuids[2] ?? '', `status = 'failed', completed_at = now()`);
    const day = async () => (await of(api.as(api.operator), old, old))[0];
    const live = await day();
    expect(live).toMatchObject({ total_tasks: 3, completed_tasks: 2, failed_tasks: 1, total_videos: 4, total_duration: 6 });
    await keeper().tick();
    const stored = async () =>
      (await query<{ settled: boolean; sealed: boolean }>(api.em, 'select settled, sealed from statistics where date = $1', [old]))[0];
    expect(await stored()).toEqual({ settled: true, sealed: false });
    expect(await day()).toEqual(live);
    await mine().post(`/video/tasks/${uuids[2]}/retry`);
    expect(await stored()).toMatchObject({ settled: false });
    expect(await day()).toMatchObject({ total_tasks: 3, failed_tasks: 0 });
    await setTask(uuids[2] ?? '', `status = 'failed'`);
    const answer = await api.as(api.operator).post(`/statistics/recompute?from=${old}&to=${old}`);
    expect(answer.body).toMatchObject({ stored: 1, items: [live] });
    expect((await mine().post(`/statistics/recompute?from=${old}&to=${old}`)).status).toBe(403);
    await query(api.em, `update statistics set sealed = true where date = $1`, [old]);
    await query(api.em, `update tasks set type = 'empty' where uuid = any($1)`, [uuids]);
    expect((await api.as(api.operator).post(`/statistics/recompute?from=${old}&to=${old}`)).body).toMatchObject({
      stored: 0,
      items: [live],
    });
  });

  it.each([
    ['from=2026-02-30', '/query/from'],
    ['from=2026-03-02&to=2026-03-01', '/query/from'],
    ['from=2020-01-01&to=2026-03-01', '/query/from'],
    ['to=yesterday', '/query/to'],
  ])('for %s are refused', async (range, pointer) => {
    const { status, body } = await mine().get(`/statistics?${range}`);
    expect([status, body.errors[0].pointer]).toEqual([422, pointer]);
  });
});

describe('the export', () => {
  it('is one JSON array of one’s own tasks, videos with script and scenes', async () => {
    const caller = await makeCaller(api.em, 'exporter');
    const as: TestApi = { ...api, user: caller };
    const uuid = await finishedVideo(as);
    const other = await submitOne(contextOf(api.em, caller));
    const { headers, text } = await api.as(caller).get('/export/tasks');
    expect(headers['content-disposition']).toContain('tasks.json');
    const tasks = JSON.parse(text) as { uuid: string; video: VideoTaskDetail | null }[];
    expect(tasks.map((task) => task.uuid)).toEqual([uuid, other.uuid]);
    expect(tasks[0]?.video?.scripts).toHaveLength(2);
    expect(tasks[1]?.video).toBeNull();
    expect(JSON.parse((await api.as(caller).get('/export/tasks?type=nothing')).text)).toEqual([]);
  });
});

describe('a storage limit', () => {
  it('is set for a user, and refuses submissions once it is reached', async () => {
    const caller = await makeCaller(api.em, 'collector');
    await finishedVideo({ ...api, user: caller });
    const { body } = await api.as(api.admin).patch(`/users/${caller.id}`).send({ storage_limit_mb: 0 });
    expect(body.storage_limit_mb).toBe(0);
    const refused = await api.as(caller).post('/video/tasks').send({ prompt: 'x' });
    expect([refused.status, refused.body.code]).toEqual([429, 'quota_exceeded']);
    expect(refused.body.detail).toContain('storage');
    await api.as(api.admin).patch(`/users/${caller.id}`).send({ storage_limit_mb: null });
    expect((await api.as(caller).post('/video/tasks').send({ prompt: 'x' })).status).toBe(201);
  });
});
