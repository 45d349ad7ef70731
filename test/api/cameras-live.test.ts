import http from 'node:http';
import type { HttpServer } from '../../api/http-server.ts';
import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { makeSession } from '../support/detections.ts';
import { eventually } from '../support/eventually.ts';
import { receiveEvents, serve } from '../support/listening.ts';

let api: TestApi;
let server: HttpServer;
let base: string;
const headers = () => ({ authorization: `Bearer ${api.user.key}` });

beforeAll(async () => {
  api = await createTestApi();
  server = await serve(api.app);
  base = `${server.url}/api/v1/cameras`;
});
afterAll(async () => {
  await api.stop();
  await server.stop();
});

const rows = <T>(sql: string, values: unknown[] = []) => query<T>(api.em, sql, values);
const post = async (camera_id: string, [from, count]: [number, number], objects: unknown[] = []) => {
  const frames = Array.from({ length: count }, (_, i) => ({ camera_id, session_id: 'one', frame_number: from + i, objects }));
  expect((await api.as(api.user).post('/detections').send(frames)).status).toBe(201);
};
const watched = (camera_id: string) =>
  eventually(async () =>
    expect(await rows('select 1 from camera_live where camera_id = $1 and watched_until > now()', [camera_id])).toHaveLength(1),
  );
const JPEG = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.from(text), Buffer.from([0xff, 0xd9])]);
const putPicture = (camera_id: string, text: string) =>
  api.as(api.user).put(`/cameras/${camera_id}/picture`).set('Content-Type', 'image/jpeg').send(JPEG(text));

it('shows each frame to whoever watches, and writes nothing for cameras that nobody watches', async () => {
  await makeSession(api.em, api.user.id, { camera_id: 'door' });
  await post('door', [1, 5]);
  expect(await rows('select 1 from camera_live')).toEqual([]);
  const seen: unknown[] = [];
  const watching = (async () => {
    for await (const { data } of receiveEvents(`${base}/door/live`, headers())) {
      seen.push(data);
      if (seen.length === 3) break;
    }
  })();
  await watched('door');
  await post('door', [6, 3], [{ track_id: 4, box: [1, 2, 3, 4], score: 0.5, violations: ['no_hairnet'] }]);
  await watching;
  expect(seen).toMatchObject(
    [6, 7, 8].map((frame_number) => ({
      session_id: 'one',
      frame_number,
      person_count: 1,
      hairnet_violations: 1,
      objects: [{ track_id: '4', box: [1, 2, 3, 4] }],
    })),
  );
});

it('shows the latest picture as MJPEG; a picture that nobody waits for is kept nowhere', async () => {
  await makeSession(api.em, api.user.id, { camera_id: 'hall' });
  expect((await putPicture('hall', 'unseen')).status).toBe(204);
  expect(await rows(`select 1 from camera_live where camera_id = 'hall'`)).toEqual([]);
  let received = '';
  let type = '';
  const request = http.get(`${base}/hall/live.mjpg`, { headers: headers() }, (response) => {
    type = String(response.headers['content-type']);
    response.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk;
    });
    response.on('error', () => undefined);
  });
  request.on('error', () => undefined);
  await watched('hall');
  for (const text of ['first', 'second']) {
    await putPicture('hall', text);
    await eventually(() => expect(received).toContain(text));
  }
  request.destroy();
  expect(type).toBe('multipart/x-mixed-replace; boundary=picture');
  expect(received).toContain('--picture\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n');
  expect(received).not.toContain('unseen');
});

it('takes pictures that are pictures, of one’s own cameras', async () => {
  const wrong = await api.as(api.user).put('/cameras/hall/picture').set('Content-Type', 'image/jpeg').send(Buffer.from('text'));
  expect([wrong.status, wrong.body.detail]).toEqual([422, 'the body: expected a JPEG picture']);
  const other = await api.as(api.stranger).put('/cameras/hall/picture').set('Content-Type', 'image/jpeg').send(JPEG('x'));
  expect(other.status).toBe(404);
});

it('never waits for a viewer who does not read: frames are stored, and it misses some', async () => {
  await makeSession(api.em, api.user.id, { camera_id: 'slow' });
  const stuck = await new Promise<http.IncomingMessage>((resolve) => {
    http.get(`${base}/slow/live`, { headers: headers() }, resolve).on('error', () => undefined);
  });
  stuck.pause();
  stuck.on('error', () => undefined);
  await watched('slow');
  const objects = Array.from({ length: 100 }, (_, n) => ({ track_id: n, box: [1, 2, 3, 4], violations: [] }));
  for (let n = 0; n < 12; n++) await post('slow', [n * 20, 20], objects);
  expect(await rows(`select frames::int4 as n from detection_sessions where camera_id = 'slow'`)).toEqual([{ n: 240 }]);
  stuck.destroy();
});
