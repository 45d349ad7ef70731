import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listProcesses } from '../../engines/shell/processes.ts';
import type { VideoTaskDetail } from '../../schemas/video.ts';
import { eventually } from '../support/eventually.ts';
import { hasChineseFont, probeFile } from '../support/frames.ts';
import { openRoom, type Room } from './room.ts';
import { openRoomApi, type RoomApi } from './room-api.ts';

let room: Room;
let api: RoomApi;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '4', WORKER_MEMORY_MB: '8000', LOST_AFTER_S: '60' });
  api = await openRoomApi(room);
});
afterAll(async () => {
  await room.close();
});

const submit = async (body: object): Promise<string> => {
  const answer = await api.post('/video/tasks').send(body);
  expect([answer.status, answer.body.detail]).toEqual([201, undefined]);
  return answer.body.task_id;
};
const detail = async (uuid: string): Promise<VideoTaskDetail> => (await api.get(`/video/tasks/${uuid}`)).body;
const scenesDone = (uuid: string, n: number) =>
  eventually(async () => expect((await detail(uuid)).completed_scenes).toBeGreaterThanOrEqual(n), { timeout_ms: 60_000, interval_ms: 20 });
const fileOf = (key: string | null): string => path.join(room.config().ARTIFACTS_DIR, key ?? 'none');
const toolsOf = async (runid: string) => (await listProcesses()).filter((found) => found.runid === runid);
const SCENE = { camera_movement: 'zoom_in', lighting: 'warm', voice_text: 'Hello there.' };

test('three scenes over HTTP become a video that is as long as asked, and can be followed and fetched', async () => {
  await room.worker('studio');
  const scenes = ['One: 100%{x} "quoted"', hasChineseFont ? '森林探险' : 'Two', 'Three\nlines'].map((description) => ({
    ...SCENE,
    description,
    duration: 3,
  }));
  const uuid = await submit({ prompt: 'three scenes', scenes });
  const events = (await api.get(`/video/tasks/${uuid}/events`)).text;
  expect(events.match(/"status":"completed"/g)?.length).toBeGreaterThan(1);
  const progress = [...events.matchAll(/"progress":(\d+)/g)].map(([, value]) => Number(value));
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(100);
  const video = await detail(uuid);
  expect(video).toMatchObject({ status: 'completed', progress: 100, total_scenes: 3, completed_scenes: 3, error_message: null });
  expect(video.scripts).toHaveLength(3);
  expect(video.videos.map(({ frames, attempts, status }) => [frames, attempts, status])).toEqual(Array(3).fill([72, 1, 'completed']));
  expect(video.duration).toBeGreaterThan(0);
  const fetched = await api.get(`/video/tasks/${uuid}/video`).buffer(true);
  const file = path.join(tmpdir(), `${uuid}.mp4`);
  writeFileSync(file, fetched.body);
  const { duration, streams } = probeFile(file);
  expect(Math.abs(duration - 9)).toBeLessThan(0.2);
  expect(streams.find((stream) => stream.codec_type === 'video')?.nb_frames).toBe('216');
  await room.expectClean();
}, 90_000);

test('a worker that is killed after the first scene renders the others only, and leaves no ffmpeg behind', async () => {
  const first = await room.workerProcess('killed', { POOL: 'aside', WORKER_DISPATCHER: 'off' });
  const scenes = [1, 60, 2].map((duration, i) => ({ description: `scene ${i + 1}`, duration }));
  const uuid = await submit({ scenes, queue: 'aside', width: 640, height: 360, fps: 30 });
  await eventually(async () => expect((await detail(uuid)).videos[1]?.status).toBe('rendering'), { timeout_ms: 60_000, interval_ms: 20 });
  const { runid } = (await room.instances(uuid))[0] ?? { runid: '' };
  const before = statSync(fileOf((await detail(uuid)).videos[0]?.file_path ?? null)).mtimeMs;
  await first.kill('SIGKILL');
  await eventually(async () => expect(await toolsOf(runid)).toEqual([]), { timeout_ms: 20_000 });
  await room.workerProcess('killed', { POOL: 'aside', WORKER_DISPATCHER: 'off' });
  await room.untilTask(uuid, 'completed', 60_000);
  const { videos } = await detail(uuid);
  expect(videos[0]).toMatchObject({ attempts: 1, status: 'completed' });
  expect(videos[1]?.attempts).toBe(2);
  expect(statSync(fileOf(videos[0]?.file_path ?? null)).mtimeMs).toBe(before);
  // Where the second worker was slow to start the first instance is lost, and the next one goes on.
  expect((await room.instances(uuid)).map(({ status }) => status).filter((status) => status !== 'lost')).toEqual(['completed']);
  await room.expectClean();
}, 120_000);

test('a cancellation in the middle of a scene ends ffmpeg within two seconds and leaves no temporary files; a retry goes on from there', async () => {
  const scenes = [1, 60].map((duration, i) => ({ description: `scene ${i + 1}`, duration }));
  const uuid = await submit({ scenes, width: 1280, height: 720, fps: 30 });
  await scenesDone(uuid, 1);
  const { runid } = (await room.instances(uuid))[0] ?? { runid: '' };
  await eventually(async () => expect((await toolsOf(runid)).length).toBeGreaterThan(0), { timeout_ms: 20_000 });
  await api.post(`/video/tasks/${uuid}/cancel`);
  const asked = performance.now();
  await eventually(async () => expect(await toolsOf(runid)).toEqual([]), { timeout_ms: 10_000, interval_ms: 20 });
  expect(performance.now() - asked).toBeLessThan(6_000);
  await room.untilTask(uuid, 'cancelled', 20_000);
  expect(await detail(uuid)).toMatchObject({ completed_scenes: 1, videos: [{ status: 'completed' }, { status: 'interrupted' }] });
  await eventually(() => expect(readdirSync(path.join(room.data_dir, 'runs'))).not.toContain(runid));
  const ledger = (await api.get(`/quota-ledger?task_id=${uuid}`)).body.items as { kind: string }[];
  expect(ledger.map(({ kind }) => kind)).toEqual(['commit', 'reserve']);
  expect((await api.post(`/video/tasks/${uuid}/retry`)).status).toBe(200);
  await eventually(async () => expect((await detail(uuid)).videos[1]?.attempts).toBe(2), { timeout_ms: 30_000 });
  await api.post(`/video/tasks/${uuid}/cancel`);
  await room.untilTask(uuid, 'cancelled', 20_000);
  expect((await detail(uuid)).videos[0]?.attempts).toBe(1);
  await room.expectClean();
}, 120_000);
