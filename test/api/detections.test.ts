import { gzipSync } from 'node:zlib';
import { type Em, query } from '../../entities/sql.ts';
import { type Caller, createTestApi, type TestApi } from '../support/api.ts';
import { makeSession } from '../support/detections.ts';
import { eventually } from '../support/eventually.ts';
import { countOf } from '../support/factories.ts';

let api: TestApi;
let made = 0;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const fresh = (): string => `cam-${++made}`;
const AT = Date.UTC(2026, 2, 29, 0, 59, 59);
type Sent = Record<string, unknown>;

const frame = (camera_id: string, frame_number: number, more: Sent = {}): Sent => ({
  camera_id,
  session_id: 'one',
  frame_number,
  timestamp: new Date(AT + frame_number * 40).toISOString(),
  objects: [{ track_id: 7, score: 0.9, box: [1, 2, 3, 4], violations: [{ type: 'no_hairnet', confidence: 0.8 }] }],
  ...more,
});
const frames = (camera_id: string, count: number): Sent[] => Array.from({ length: count }, (_, i) => frame(camera_id, i + 1));
const post = (body: unknown, { caller = api.user, path = '/detections' }: { caller?: Caller; path?: string } = {}) =>
  api.as(caller).post(path).set('Content-Type', 'application/json').send(JSON.stringify(body));
const postLines = (lines: string, path = '/detections') =>
  api.as(api.user).post(path).set('Content-Type', 'application/x-ndjson').send(lines);
const get = async (path: string, caller = api.user) => (await api.as(caller).get(path)).body;

describe('posted detections', () => {
  it('are stored, and answered with what became of them; sent again they change nothing', async () => {
    const camera = fresh();
    const first = await post(frames(camera, 5));
    expect([first.status, first.body]).toEqual([
      201,
      {
        received: 5,
        accepted: 5,
        duplicates: 0,
        saved: 5,
        violations_opened: 1,
        sessions: [{ camera_id: camera, session_id: 'one', save_interval: 1, accepted: 5, duplicates: 0, saved: 5, violations_opened: 1 }],
      },
    ]);
    const records = await get(`/records?camera_id=${camera}`);
    expect(records.items.map((record: Sent) => [record.frame_number, record.person_count, record.hairnet_violations])).toEqual(
      [5, 4, 3, 2, 1].map((n) => [n, 1, 1]),
    );
    const again = await post([...frames(camera, 5), frame(camera, 6), frame(camera, 6)]);
    expect(again.body).toMatchObject({ received: 7, accepted: 1, duplicates: 6, saved: 1, violations_opened: 0 });
    const violations = await get(`/violations?camera_id=${camera}`);
    expect(violations.items).toMatchObject([
      { track_id: '7', frames: 6, status: 'pending', confidence: 0.8, ended_at: null, duration_s: 0.2 },
    ]);
  });

  it('may be one object, or one object a line, or gzip, with camera and session in the query', async () => {
    const camera = fresh();
    const { camera_id: _, session_id: __, ...bare } = frame(camera, 1);
    expect((await post({ ...bare }, { path: `/detections?camera_id=${camera}&session_id=s` })).body).toMatchObject({ accepted: 1 });
    const lines = [2, 3].map((n) => JSON.stringify({ frame_number: n, person_count: 4, hairnet_violations: 3 })).join('\n\n');
    expect((await postLines(lines, `/detections?camera_id=${camera}&session_id=s`)).body).toMatchObject({ accepted: 2 });
    const packed = api.as(api.user).post('/detections').set('Content-Type', 'application/json').set('Content-Encoding', 'gzip');
    packed.write(gzipSync(JSON.stringify([frame(camera, 4, { session_id: 's' })])));
    expect((await packed).body).toMatchObject({ accepted: 1 });
    expect((await get(`/records?camera_id=${camera}&session_id=s&min_persons=4`)).items).toHaveLength(2);
  });

  it('are sampled where the session asks for it, and the session goes on so', async () => {
    const camera = fresh();
    const answer = await post(frames(camera, 21), { path: '/detections?save_interval=10' });
    expect(answer.body).toMatchObject({ accepted: 21, saved: 4, sessions: [{ save_interval: 10 }] });
    expect((await get(`/records?camera_id=${camera}&saved_for=sample`)).items.map((r: Sent) => r.frame_number)).toEqual([21, 11, 1]);
    expect((await get(`/records?camera_id=${camera}&saved_for=change`)).items.map((r: Sent) => r.frame_number)).toEqual([3]);
    const other = await post([frame(camera, 22)], { path: '/detections?save_interval=5' });
    expect([other.status, other.body.errors[0].pointer]).toEqual([409, '/query/save_interval']);
    expect((await post([frame(camera, 22)])).status).toBe(201);
  });

  it.each([
    ['/1/frame_number', [{}, { frame_number: -1 }]],
    ['/0/objects/0/box', [{ objects: [{ box: [1, 2, 3] }] }]],
    ['/0/objects/0/track_id', [{ objects: [{ track_id: '~1' }] }]],
    ['/0/objects/0/violations/0/confidence', [{ objects: [{ violations: [{ type: 'x', confidence: 2 }] }] }]],
    ['/0/timestamp', [{ timestamp: '2999-01-01T00:00:00Z' }]],
    ['/0/detail', [{ detail: { text: 'a\0b' } }]],
    ['/0/detail', [{ detail: { text: 'x'.repeat(9_000) } }]],
    ['/0/person_count', [{ person_count: 1.5 }]],
    ['/0/colour', [{ colour: 'red' }]],
  ])('that are wrong are refused as a whole, by the name of the field: %s', async (pointer, changes) => {
    const camera = fresh();
    const answer = await post(changes.map((change, i) => frame(camera, i + 1, change as Sent)));
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, pointer]);
    expect(await countOf(api.em, 'cameras where id = $1', [camera])).toBe(0);
  });

  it('name the line, what is missing, and what is no JSON', async () => {
    const lines = await postLines(`${JSON.stringify(frame(fresh(), 1))}\n\n{"frame_number": "x"}`);
    expect([lines.status, lines.body.errors[0].pointer]).toEqual([422, '/line/3/frame_number']);
    const missing = await post([{ frame_number: 1 }]);
    expect(missing.body.errors.map((error: Sent) => error.pointer)).toEqual(['/0/camera_id', '/0/session_id']);
    expect([(await postLines('{"a":')).status, (await post('')).status, (await post([])).status]).toEqual([400, 422, 422]);
    expect((await postLines('{"a":1}\n{"a":')).body.detail).toMatch(/^line 1|line 2 is not valid JSON|\/line\/1/);
  });

  it('are refused for another user’s camera, and for too many frames at once', async () => {
    const camera = fresh();
    expect((await post([frame(camera, 1)])).status).toBe(201);
    expect((await post([frame(camera, 2)], { caller: api.stranger })).status).toBe(403);
    expect((await post([frame(camera, 2)], { caller: api.operator })).status).toBe(201);
    const many = Array.from({ length: 10_001 }, (_, i) => ({ frame_number: i }));
    expect((await post(many)).status).toBe(413);
    expect(await get(`/records?camera_id=${camera}`, api.stranger)).toEqual({ items: [], next_cursor: null });
  });

  it('are answered with 429 and Retry-After while the queue is full, and nothing of them is taken', async () => {
    const small = await createTestApi({ DETECTION_QUEUE_MB: 1 });
    try {
      const large = (from: number) => Array.from({ length: 1_000 }, (_, i) => frame('c', from + i, { objects: [{}, {}, {}, {}] }));
      const send = (list: Sent[]) =>
        small.as(small.user).post('/detections').set('Content-Type', 'application/json').send(JSON.stringify(list));
      await send([frame('c', 0)]);
      let release = (): void => undefined;
      const held = small.em.fork().transactional(async (tx) => {
        await query(tx as Em, 'select 1 from detection_sessions for update');
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      });
      const first = send(large(1)).then((answer) => answer);
      const waiting = `pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await eventually(async () => expect(await countOf(small.em, waiting)).toBe(1));
      const refused = await send(large(5_000));
      expect(refused.status).toBe(429);
      expect([Number(refused.headers['retry-after']) >= 1, refused.body.code]).toEqual([true, 'too_many']);
      release();
      await held;
      expect((await first).body).toMatchObject({ accepted: 1_000 });
      expect(await query(small.em, 'select frames::int4 as n from detection_sessions')).toEqual([{ n: 1_001 }]);
    } finally {
      await small.stop();
    }
  });
});

describe('statistics', () => {
  it('count all frames by the hour at once, and days by the calendar of a zone', async () => {
    const camera = fresh();
    await post(frames(camera, 50), { path: '/detections?save_interval=10' });
    const hours = await get(`/detections/statistics?camera_id=${camera}`);
    expect(
      hours.items.map((hour: Sent) => [
        hour.hour_start,
        hour.total_frames,
        hour.person_frames,
        hour.violations_opened,
        hour.distinct_tracks,
      ]),
    ).toEqual([
      ['2026-03-29T01:00:00.000Z', 26, 26, 0, 1],
      ['2026-03-29T00:00:00.000Z', 24, 24, 1, 1],
    ]);
    const days = await get(`/cameras/${camera}/daily-statistics?timezone=Europe/Berlin&from=2026-03-28&to=2026-03-30`);
    expect(days.items.map((day: Sent) => [day.date, day.hours, day.total_frames, day.compliance])).toEqual([
      ['2026-03-28', 24, 0, null],
      ['2026-03-29', 23, 50, 0],
      ['2026-03-30', 24, 0, null],
    ]);
    const kolkata = await get(`/cameras/${camera}/daily-statistics?timezone=Asia/Kolkata&from=2026-03-29&to=2026-03-29`);
    expect(kolkata.items).toMatchObject([{ total_frames: 50, violations_opened: 1, starts_at: '2026-03-28T18:30:00.000Z' }]);
    const bad = await api.as(api.user).get(`/cameras/${camera}/daily-statistics?timezone=Mars/Olympus`);
    expect(bad.status).toBe(422);
  });

  it('of days split hours of zones that are half an hour off', async () => {
    const camera = fresh();
    const at = (time: string, frame_number: number) => frame(camera, frame_number, { timestamp: time });
    await post([
      at('2026-01-01T18:29:59Z', 1),
      at('2026-01-01T18:30:00Z', 2),
      at('2026-01-02T18:29:59Z', 3),
      at('2026-01-02T18:30:00Z', 4),
    ]);
    const days = await get(`/cameras/${camera}/daily-statistics?timezone=Asia/Kolkata&from=2026-01-01&to=2026-01-03`);
    expect(days.items.map((day: Sent) => [day.date, day.total_frames])).toEqual([
      ['2026-01-01', 1],
      ['2026-01-02', 2],
      ['2026-01-03', 1],
    ]);
  });
});

describe('violations', () => {
  const violation = async (camera: string) => (await get(`/violations?camera_id=${camera}`)).items[0];

  it('are judged, by whom and when, and taken back', async () => {
    const camera = fresh();
    await post(frames(camera, 3));
    const { id } = await violation(camera);
    const judged = await api.as(api.user).patch(`/violations/${id}`).send({ status: 'confirmed', notes: 'seen by two' });
    expect(judged.body).toMatchObject({
      status: 'confirmed',
      handled_by: 'user:user',
      notes: 'seen by two',
      handled_at: expect.any(String),
    });
    await post([frame(camera, 4)]);
    expect(await violation(camera)).toMatchObject({ status: 'confirmed', frames: 4 });
    const back = await api.as(api.operator).patch(`/violations/${id}`).send({ status: 'pending' });
    expect(back.body).toMatchObject({ status: 'pending', handled_by: null, handled_at: null, notes: 'seen by two' });
    const log = await query(
      api.em,
      `select actor, before->>'status' as b, after->>'status' as a from audit_log where subject_id = $1 order by id`,
      [id],
    );
    expect(log).toEqual([
      { actor: 'user:user', b: 'pending', a: 'confirmed' },
      { actor: 'user:operator', b: 'confirmed', a: 'pending' },
    ]);
  });

  it('are judged together, listed or found, and only one’s own', async () => {
    const cameras = [fresh(), fresh()];
    for (const camera of cameras) await post(frames(camera, 3));
    const ids = await Promise.all(cameras.map(async (camera) => (await violation(camera)).id));
    const bulk = async (body: Sent, caller = api.user) => (await api.as(caller).post('/violations/bulk').send(body)).body;
    expect(await bulk({ ids, status: 'resolved' }, api.stranger)).toEqual({ dry_run: false, matched: 0, changed: 0, missing: ids });
    expect(await bulk({ ids, status: 'resolved', dry_run: true })).toEqual({ dry_run: true, matched: 2, changed: 0, missing: [] });
    expect(await bulk({ filter: { camera_id: cameras[0] }, status: 'false_positive' })).toMatchObject({ matched: 1, changed: 1 });
    expect(await bulk({ ids, status: 'false_positive', notes: 'mannequin' })).toMatchObject({ matched: 2, changed: 2 });
    expect(await bulk({ ids, status: 'false_positive' })).toMatchObject({ matched: 2, changed: 0 });
    expect((await get('/violations?status=false_positive')).items.map((one: Sent) => one.notes)).toEqual(['mannequin', 'mannequin']);
  });

  it('and records and statistics come as CSV, whole', async () => {
    const camera = fresh();
    await post(frames(camera, 12), { path: '/detections?save_interval=1' });
    const csv = async (path: string) => (await api.as(api.user).get(path)).text.trimEnd().split('\r\n');
    const records = await csv(`/records?camera_id=${camera}&format=csv`);
    expect([records.length, records[0]?.startsWith('\uFEFFid,camera_id,session_id')]).toEqual([13, true]);
    expect(await csv(`/violations?camera_id=${camera}&format=csv`)).toHaveLength(2);
    expect(await csv(`/detections/statistics?camera_id=${camera}&format=csv`)).toHaveLength(2);
  });
});

describe('lists', () => {
  it('of records page by time without repeating or leaving out any', async () => {
    const camera = fresh();
    await post(frames(camera, 25).map((one) => ({ ...one, timestamp: '2026-01-01T00:00:00Z' })));
    for (const sort of ['timestamp', '-timestamp']) {
      const seen: unknown[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: { items: Sent[]; next_cursor: string | null } = await get(
          `/records?camera_id=${camera}&limit=7&sort=${sort}${cursor ? `&cursor=${cursor}` : ''}`,
        );
        seen.push(...page.items.map((item) => item.frame_number));
        cursor = page.next_cursor;
      }
      expect(new Set(seen).size).toBe(25);
      expect(seen).toHaveLength(25);
    }
  });

  it('of cameras and sessions show their counts', async () => {
    const camera = fresh();
    await post(frames(camera, 3));
    await makeSession(api.em, api.user.id, { camera_id: camera, session: 'two' });
    expect(await get(`/cameras/${camera}`)).toMatchObject({
      id: camera,
      user: 'user',
      sessions: 2,
      open_violations: 1,
      last_at: expect.any(String),
    });
    const sessions = await get(`/detections/sessions?camera_id=${camera}`);
    expect(sessions.items).toMatchObject([
      { session_id: 'two', frames: 0, first_at: null },
      { session_id: 'one', frames: 3, records: 3, violations: 1, person_frames: 3, violating_person_frames: 3 },
    ]);
    expect((await api.as(api.user).delete(`/cameras/${camera}`)).status).toBe(409);
  });
});
