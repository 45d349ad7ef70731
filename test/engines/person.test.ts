import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '../../config/env.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { PersonModel } from '../../engines/detection/person-model.ts';
import { readPictures } from '../../engines/detection/picture-stream.ts';
import { checkedStream } from '../../engines/detection/stream-source.ts';
import { findTools } from '../../engines/ffmpeg/find-tools.ts';
import { runTool } from '../../engines/ffmpeg/run-tool.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { makeDetectionEngine, openDetectionRun, runDetectionTask } from '../support/detection-runs.ts';
import { eventually } from '../support/eventually.ts';
import { makeWorld } from '../support/factories.ts';

let db: TestDatabase;
let folder: string;
let video: string;
let server: http.Server;
let base: string;

async function ffmpeg(...argv: string[]): Promise<void> {
  const tools = await findTools(loadConfig({}), { encoders: ['mjpeg'], filters: ['fps', 'scale'] });
  if ('missing' in tools) throw new Error(tools.missing);
  const owner = { runid: 'none', worker: 'none', uid: null };
  const { exit_code, tail } = await runTool({
    file: tools.ffmpeg,
    argv: ['-v', 'error', '-f', 'lavfi', ...argv],
    cwd: folder,
    owner,
    signal: new AbortController().signal,
    stall_s: 60,
  });
  if (exit_code !== 0) throw new Error(tail);
}

beforeAll(async () => {
  db = await createTestDatabase();
  await makeWorld(db.em);
  folder = await mkdtemp(path.join(tmpdir(), 'person-test-'));
  await chmod(folder, 0o755);
  video = path.join(folder, 'bars.avi');
  await ffmpeg('-i', 'testsrc=size=320x240:rate=5', '-t', '3', '-c:v', 'mjpeg', video);
  await ffmpeg('-i', 'testsrc=size=320x240:rate=1', '-frames:v', '2', path.join(folder, 'p%d.jpg'));
  server = http.createServer((request, response) => {
    if (request.url === '/video') createReadStream(video).pipe(response.setHeader('content-type', 'video/avi'));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 60_000);
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
  await db.drop();
});

const rows = (sql: string, values: unknown[] = []) => query(db.em, sql, values);
const look = async (parameters: Record<string, unknown>, outbound?: string[]) => {
  const run = await openDetectionRun(db);
  const detector = { kind: 'person', start_at: '2026-01-01T00:00:00Z' };
  return {
    run,
    outcome: await runDetectionTask(makeDetectionEngine([folder], outbound), run, { detector, save_interval: 1, ...parameters }),
  };
};
const TIMES = `select frame_number::int4 as frame, to_char(timestamp at time zone 'UTC', 'MI:SS') as at, person_count as persons, fps, processing_ms > 0 as looked
  from detection_records where camera_id = $1 order by 1`;

it('looks at one picture a second of a video, and times them by their place in it', async () => {
  const { outcome } = await look({ camera_id: 'file', source: { kind: 'file', path: video } });
  expect(outcome).toMatchObject({ status: 'completed', result: { frames: 3, records: 3, person_frames: 0 } });
  const seen = { persons: 0, fps: 1, looked: true };
  expect(await rows(TIMES, ['file'])).toEqual([
    { frame: 0, at: '00:00', ...seen },
    { frame: 1, at: '00:01', ...seen },
    { frame: 2, at: '00:02', ...seen },
  ]);
}, 60_000);

it('looks at every picture of a folder, and says which it cannot read', async () => {
  const { outcome } = await look({ camera_id: 'folder', source: { kind: 'directory', path: folder } });
  expect(outcome).toMatchObject({ status: 'completed', result: { frames: 2 } });
  const broken = await mkdtemp(path.join(folder, 'broken-'));
  await chmod(broken, 0o755);
  await writeFile(path.join(broken, 'a.jpg'), 'no picture');
  const wrong = await look({ camera_id: 'folder', source: { kind: 'directory', path: broken } });
  expect(wrong.outcome).toMatchObject({ status: 'failed', code: 'exit_code', error: { message: expect.stringContaining('a.jpg') } });
  const none = await mkdtemp(path.join(folder, 'none-'));
  expect((await look({ camera_id: 'folder', source: { kind: 'directory', path: none } })).outcome).toMatchObject({ code: 'not_found' });
}, 60_000);

it('fails on what is no video, with what ffmpeg says in the log', async () => {
  const file = path.join(folder, 'text.avi');
  await writeFile(file, 'no video at all');
  const { outcome, run } = await look({ camera_id: 'text', source: { kind: 'file', path: file } });
  expect(outcome).toMatchObject({ status: 'failed', code: 'exit_code', error: { message: expect.stringMatching(/^ffmpeg ended/) } });
  expect(run.of('stderr').join('\n')).toContain('Invalid data');
}, 60_000);

it('takes streams through the outbound guard', async () => {
  const stream = (url: string) => ({ camera_id: 'stream', source: { kind: 'stream', url } });
  expect((await look(stream(`${base}/video`))).outcome).toMatchObject({ status: 'completed', result: { frames: 3 } });
  await expect(look(stream(`${base}/none`))).rejects.toMatchObject({ code: 'unavailable' });
  expect((await look(stream(`${base}/video`), [])).outcome).toMatchObject({ status: 'failed', code: 'forbidden' });
  expect((await look(stream('rtsp://127.0.0.1:9/live'), [])).outcome).toMatchObject({ status: 'failed', code: 'forbidden' });
  const allow = parseOutboundAllow(['localhost']);
  expect(await checkedStream('rtsp://localhost:word@localhost:554/a', allow)).toMatch(
    /^rtsp:\/\/localhost:word@(127\.0\.0\.1|\[::1\]):554\/a$/,
  );
}, 60_000);

it('does not look again at frames that are stored when it goes on', async () => {
  const parameters = { camera_id: 'again', session_id: 'one', source: { kind: 'file', path: video } };
  await look(parameters);
  const { outcome } = await look(parameters);
  expect(outcome).toMatchObject({ result: { frames_read: 0, frames_new: 0, frames: 3 } });
}, 60_000);

it('is stopped within a second, thread and ffmpeg and all', async () => {
  const run = await openDetectionRun(db);
  const engine = makeDetectionEngine([folder]);
  const long = path.join(folder, 'long.avi');
  await ffmpeg('-i', 'testsrc=size=320x240:rate=5', '-t', '60', '-c:v', 'mjpeg', long);
  const work = engine.run(
    engine.parameters.parse({ camera_id: 'stop', source: { kind: 'file', path: long }, detector: { kind: 'person' }, save_interval: 1 }),
    run.context,
  );
  await eventually(async () => expect((await rows(TIMES, ['stop'])).length).toBeGreaterThan(0), { timeout_ms: 30_000 });
  run.stop('cancel');
  expect(await work).toMatchObject({ status: 'cancelled' });
  await run.close();
}, 60_000);

it('says what is no picture, and answers nobody after its end', async () => {
  const model = new PersonModel();
  const rules = { min_score: 0.3, max_iou: 0.45 };
  await expect(model.persons(Buffer.from('x'), rules)).rejects.toMatchObject({ code: 'invalid_input' });
  expect(await model.persons(await readFile(path.join(folder, 'p1.jpg')), rules)).toEqual([]);
  const late = model.persons(await readFile(path.join(folder, 'p1.jpg')), rules);
  late.catch(() => undefined);
  await model.stop();
  await expect(late).rejects.toThrow('ended');
}, 60_000);

it('cuts pictures by the length that their heads state, however the bytes come', async () => {
  const pictures = ['first', '\r\n\r\n--ffmpeg', ''];
  const bytes = Buffer.from(
    pictures.map((text) => `--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: ${text.length}\r\n\r\n${text}\r\n`).join(''),
  );
  for (const size of [1, 7, 1_000]) {
    const seen: string[] = [];
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    await readPictures(chunks(), async (jpeg) => void seen.push(jpeg.toString()));
    expect(seen).toEqual(pictures);
  }
  async function* wrong() {
    yield Buffer.from('HTTP/1.1 200 OK\r\n\r\n');
  }
  await expect(readPictures(wrong(), async () => undefined)).rejects.toMatchObject({ code: 'internal' });
});
