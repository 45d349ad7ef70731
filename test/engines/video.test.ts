import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, loadConfig } from '../../config/env.ts';
import type { Outcome } from '../../core/outcome.ts';
import { listProcesses, signalProcess } from '../../engines/shell/processes.ts';
import { FontFinder } from '../../engines/video/fonts.ts';
import { createVideoEngine } from '../../engines/video/index.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';
import { brightness, difference, ffmpeg, frameOf, hasChineseFont, inkBox, loudness, probeFile } from '../support/frames.ts';
import { makeVideoTask, makeVideoWorld } from '../support/video.ts';

const SIZE = { width: 320, height: 180 };
const SMALL = { ...SIZE, fps: 8 };

let db: TestDatabase;
let pictures: string;
beforeAll(async () => {
  db = await createTestDatabase();
  await makeVideoWorld(db.em as Em);
  pictures = mkdtempSync(path.join(tmpdir(), 'pictures-'));
});
afterAll(async () => {
  rmSync(pictures, { recursive: true });
  await db.drop();
});

const em = () => db.orm.em.fork() as Em;
const WORKER = `video-${process.pid}`;
const chinese = hasChineseFont ? it : it.skip;
/** One for each configuration, as a worker has one: looking for tools and fonts takes longer than a small scene. */
const engines = new Map<string, ReturnType<typeof createVideoEngine>>();
function engineOf(config: Partial<Config> = {}) {
  const key = JSON.stringify(config);
  const engine = engines.get(key) ?? createVideoEngine({ ...loadConfig({}), ...config }, WORKER);
  engines.set(key, engine);
  return engine;
}

type Made = { outcome: Outcome; run: TestRun; task_id: string; file(name: string): string };

/** Runs the engine on a task of its own, or once more on a given one. `close` the run to remove its files. */
async function make(
  parameters: Record<string, unknown>,
  options: {
    config?: Partial<Config>;
    task_id?: string;
    folder?: string;
    run?: TestRun;
    cpu?: number;
    secrets?: Record<string, string>;
  } = {},
): Promise<Made> {
  const task_id = options.task_id ?? (await makeVideoTask(db.em as Em, parameters));
  const { folder, secrets = {} } = options;
  const run =
    options.run ?? (await engineRun({ em, secrets, instance: { task_id, cpu: options.cpu ?? 1 }, ...(folder ? { folder } : {}) }));
  const engine = engineOf(options.config);
  const outcome = await engine.run(engine.parameters.parse({ ...SMALL, ...parameters }), run.context);
  return { outcome, run, task_id, file: (name) => path.join(run.context.folder, 'artifacts', 'videos', task_id, name) };
}

const videosOf = async (task_id: string) =>
  await query<{ scene_number: number; status: string; attempts: number; frames: number; sha256: string; error_message: string | null }>(
    em(),
    'select scene_number, status, attempts, frames, sha256, error_message from videos where task_id = $1 order by 1',
    [task_id],
  );
const taskOf = async (task_id: string) =>
  (
    await query<{ progress: number; total_scenes: number; completed_scenes: number; final_video_path: string | null }>(
      em(),
      'select progress, total_scenes, completed_scenes, final_video_path from tasks where uuid = $1',
      [task_id],
    )
  )[0];

describe('a video', () => {
  it('has the scenes, frames and length that were asked for, joined with sound', async () => {
    const scenes = [
      { description: 'one', duration: 1, camera_movement: 'zoom_in' },
      { description: 'two', duration: 2, lighting: 'night' },
      { description: 'three', duration: 1, camera_movement: 'pan_left' },
    ];
    const { outcome, run, task_id, file } = await make({ scenes }, { cpu: 2 });
    expect(outcome).toMatchObject({ status: 'completed', result: { duration_s: expect.closeTo(4, 1), frames: 32, scenes: 3, ...SIZE } });
    const { duration, streams } = probeFile(file('video.mp4'));
    expect(Math.abs(duration - 4)).toBeLessThan(0.2);
    expect(streams.find((s) => s.codec_type === 'video')?.nb_frames).toBe('32');
    expect(streams.some((s) => s.codec_type === 'audio')).toBe(true);
    expect(await videosOf(task_id)).toMatchObject([
      { scene_number: 1, status: 'completed', attempts: 1, frames: 8 },
      { scene_number: 2, status: 'completed', attempts: 1, frames: 16 },
      { scene_number: 3, status: 'completed', attempts: 1, frames: 8 },
    ]);
    expect(await taskOf(task_id)).toEqual({
      progress: 99,
      total_scenes: 3,
      completed_scenes: 3,
      final_video_path: `videos/${task_id}/video.mp4`,
    });
    expect(readdirSync(path.dirname(file('x'))).sort()).toEqual(
      [
        'scene-001.jpg',
        'scene-001.mp4',
        'scene-002.jpg',
        'scene-002.mp4',
        'scene-003.jpg',
        'scene-003.mp4',
        'video.jpg',
        'video.mp4',
      ].sort(),
    );
    const noted = await query<{ key: string; bytes: string }>(em(), 'select key, bytes from video_files where task_id = $1', [task_id]);
    for (const { key, bytes } of noted) expect(statSync(path.join(run.context.folder, 'artifacts', key)).size).toBe(Number(bytes));
    expect(noted).toHaveLength(8);
    expect(readdirSync(run.context.folder)).toEqual(['artifacts']);
    await run.close();
  });

  it('does not drift, however many scenes it has', async () => {
    const scenes = Array.from({ length: 20 }, (_, i) => ({ description: `scene ${i}`, duration: 1 }));
    const { outcome, run, file } = await make({ scenes, width: 64, height: 64, fps: 12 }, { cpu: 2 });
    expect(outcome.status).toBe('completed');
    const { duration, streams } = probeFile(file('video.mp4'));
    expect(Math.abs(duration - 20)).toBeLessThan(0.2);
    expect(streams.find((s) => s.codec_type === 'video')?.nb_frames).toBe('240');
    await run.close();
  });

  chinese('is written by the built-in writer for a prompt', async () => {
    const { outcome, run, task_id } = await make({ prompt: '清晨，阳光照进森林。小鹿在溪边喝水。夜里下起雪。', scene_duration: 1 });
    expect(outcome).toMatchObject({ status: 'completed', result: { scenes: 3 } });
    const scripts = await query(em(), 'select description, lighting, duration from scripts where task_id = $1 order by scene_number', [
      task_id,
    ]);
    expect(scripts).toEqual([
      { description: '清晨，阳光照进森林。', lighting: 'bright', duration: 1 },
      { description: '小鹿在溪边喝水。', lighting: 'normal', duration: 1 },
      { description: '夜里下起雪。', lighting: 'night', duration: 1 },
    ]);
    await run.close();
  });

  it('follows camera and light', async () => {
    execFileSync(ffmpeg, [
      '-v',
      'error',
      '-y',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=640x360:d=1',
      '-frames:v',
      '1',
      path.join(pictures, 'test.png'),
    ]);
    const scene = (more: object) => ({ description: 'x', duration: 1, picture: 'test.png', ...more });
    const scenes = [scene({}), scene({ camera_movement: 'pan_right' }), scene({ lighting: 'bright' }), scene({ lighting: 'night' })];
    const { outcome, run, file } = await make({ scenes }, { config: { VIDEO_PICTURES_DIR: pictures } });
    expect(outcome.error).toBeNull();
    const frame = (n: number, at: number) => frameOf(file(`scene-00${n}.mp4`), at, SIZE);
    expect(difference(frame(1, 0), frame(1, 0.8))).toBeLessThan(3);
    expect(difference(frame(2, 0), frame(2, 0.8))).toBeGreaterThan(10);
    expect(brightness(frame(3, 0.5))).toBeGreaterThan(brightness(frame(1, 0.5)) + 10);
    expect(brightness(frame(4, 0.5))).toBeLessThan(brightness(frame(1, 0.5)) - 20);
    await run.close();
  });
});

describe('texts', () => {
  const fonts = new FontFinder(undefined);
  /** Width of a line in pixels, by the font's own metrics; bearings at both ends are not ink. */
  async function inkWidth(text: string, font_size: number): Promise<number> {
    const choice = await fonts.choose(text);
    if (!('font' in choice)) throw new Error(`no font for ${text}`);
    const { font } = choice;
    return [...text].reduce((sum, character) => sum + font.width(character), 0) * font_size;
  }

  it.each([[`100%{pts} %{n} \\n \\: "q"`], [`it's 'quoted', a:b=c;[x]{y}`], [`$(id) \`id\` #{x} %s %%`], ['\\\\ \\{ \\} {{ }} |&<>!']])(
    '%s is drawn as it is: as wide as its characters, the same in every frame',
    async (description) => await drawnAsItIs(description),
  );

  async function drawnAsItIs(description: string): Promise<void> {
    const { outcome, run, file } = await make({ ...SMALL, width: 640, scenes: [{ description, duration: 1, color: '#000000' }] });
    expect(outcome.error).toBeNull();
    const frame = (at: number) => frameOf(file('scene-001.mp4'), at, { width: 640, height: 180 });
    const box = inkBox(frame(0.5));
    const expected = await inkWidth(description, 18);
    expect(Math.abs((box?.right ?? 0) - (box?.left ?? 0) - expected)).toBeLessThan(18 * 0.9);
    expect(difference(frame(0), frame(0.8))).toBeLessThan(1.5);
    await run.close();
  }

  chinese('in Chinese are drawn as they are', async () => await drawnAsItIs('森林探险：“鹿” 100%{n}'));

  it('with line breaks are drawn as lines', async () => {
    const rows = async (description: string) => {
      const { run, file } = await make({ scenes: [{ description, duration: 1, color: '#000000' }] });
      const box = inkBox(frameOf(file('scene-001.mp4'), 0.5, SIZE));
      await run.close();
      return (box?.bottom ?? 0) - (box?.top ?? 0);
    };
    const [one, three] = [await rows('Hg'), await rows('Hg\nHg\r\nHg')];
    expect(three).toBeGreaterThan(one + 2 * 18);
    expect(three).toBeLessThan(one + 2 * 18 * 1.6);
  });

  it('leave out pictographs that no font has, and say so; a letter that no font has fails the scene with its name', async () => {
    const emoji = await make({ scenes: [{ description: 'ok 🦌🌲', duration: 1 }] });
    expect(emoji.outcome.status).toBe('completed');
    const unknown = await make({ scenes: [{ description: 'ok 𐎀', duration: 1 }] });
    expect(unknown.outcome).toMatchObject({
      status: 'failed',
      code: 'font_missing',
      error: { message: expect.stringContaining('U+10380') },
    });
    expect(await videosOf(unknown.task_id)).toMatchObject([{ status: 'failed', error_message: expect.stringContaining('U+10380') }]);
    await emoji.run.close();
    await unknown.run.close();
  });

  it('that are spoken are heard where there is a voice, and shown', async () => {
    const scenes = [
      { description: ' .', duration: 2, voice_text: 'The fox runs. It is fast and it does not stop for anybody at all!', color: '#000000' },
    ];
    const { outcome, run, file } = await make({ scenes });
    expect(outcome.error).toBeNull();
    const box = inkBox(frameOf(file('scene-001.mp4'), 0.3, SIZE));
    expect(box?.bottom).toBeGreaterThan(SIZE.height * 0.75);
    const hasVoice = execFileSync('sh', ['-c', 'command -v espeak-ng || true'], { encoding: 'utf8' }).trim() !== '';
    if (hasVoice || process.env.CI !== undefined) expect(loudness(file('scene-001.mp4'))).toBeGreaterThan(-30);
    else expect(run.of('system').join('\n')).toContain('no voice');
    await run.close();
    const silent = await make({ scenes, voice: 'none', subtitles: false });
    expect(loudness(silent.file('scene-001.mp4'))).toBeLessThan(-80);
    expect(inkBox(frameOf(silent.file('scene-001.mp4'), 0.3, SIZE))?.bottom ?? 0).toBeLessThan(SIZE.height * 0.7);
    await silent.run.close();
  });
});

describe('pictures', () => {
  const fails = async (picture: string, config: Partial<Config> = { VIDEO_PICTURES_DIR: pictures }) => {
    const { outcome, run } = await make({ scenes: [{ description: 'x', duration: 1, picture }] }, { config });
    await run.close();
    return outcome.error;
  };

  it('are read below their folder only, links followed, and only when they are pictures', async () => {
    mkdirSync(path.join(pictures, 'sub'), { recursive: true });
    writeFileSync(path.join(pictures, 'list.png'), 'ffconcat version 1.0\nfile /etc/passwd\n');
    symlinkSync('/etc/passwd', path.join(pictures, 'link.png'));
    expect(await fails('none.png')).toMatchObject({ code: 'invalid_input', message: expect.stringContaining('there is none') });
    expect(await fails('link.png')).toMatchObject({ message: expect.stringContaining('there is none below') });
    expect(await fails('list.png')).toMatchObject({ message: expect.stringContaining('neither PNG') });
    expect(await fails('sub')).toMatchObject({ message: expect.stringContaining('ordinary file') });
    expect(await fails('none.png', {})).toMatchObject({ message: expect.stringContaining('VIDEO_PICTURES_DIR') });
  });

  it('that cannot be decoded fail the scene at once', async () => {
    writeFileSync(path.join(pictures, 'broken.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]));
    expect(await fails('broken.png')).toMatchObject({
      code: expect.stringMatching(/bad_input|tool_failed/),
      message: expect.stringContaining('scene 1'),
    });
  });
});

describe('what was finished', () => {
  const scenes = [1, 2, 3].map((n) => ({ description: `scene ${n}`, duration: 1 }));

  it('is not rendered again while row, file and checksum agree', async () => {
    const first = await make({ scenes });
    const { folder } = first.run.context;
    const before = statSync(first.file('scene-001.mp4')).mtimeMs;
    truncateSync(first.file('scene-002.mp4'), 100);
    rmSync(first.file('scene-003.mp4'));
    const second = await make({ scenes }, { task_id: first.task_id, folder });
    expect(second.outcome.status).toBe('completed');
    expect(statSync(first.file('scene-001.mp4')).mtimeMs).toBe(before);
    expect((await videosOf(first.task_id)).map(({ attempts }) => attempts)).toEqual([1, 2, 2]);
    expect(second.outcome.result?.sha256).toBe(first.outcome.result?.sha256);
    await first.run.close();
  });

  it('stays when a scene fails; the next instance renders the failed one only', async () => {
    const broken = [...scenes.slice(0, 2), { description: 'x', duration: 1, picture: 'later.png' }];
    const config = { VIDEO_PICTURES_DIR: pictures };
    const first = await make({ scenes: broken }, { config });
    expect(first.outcome).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('scene 3') } });
    expect(await taskOf(first.task_id)).toMatchObject({ completed_scenes: 2, total_scenes: 3 });
    execFileSync(ffmpeg, [
      '-v',
      'error',
      '-y',
      '-f',
      'lavfi',
      '-i',
      'color=red:s=64x64',
      '-frames:v',
      '1',
      path.join(pictures, 'later.png'),
    ]);
    const second = await make({ scenes: broken }, { config, task_id: first.task_id, folder: first.run.context.folder });
    expect(second.outcome.error).toBeNull();
    expect((await videosOf(first.task_id)).map(({ attempts }) => attempts)).toEqual([1, 1, 2]);
    await first.run.close();
  });

  it('leaves no temporary file when it is cancelled in the middle, and what was finished stays finished', async () => {
    const long = [...scenes.slice(0, 1), { description: 'long', duration: 60 }];
    const task_id = await makeVideoTask(db.em as Em);
    const run = await engineRun({ em, instance: { task_id } });
    const work = make({ scenes: long, width: 1280, height: 720, fps: 30 }, { task_id, run });
    const children = async () => (await listProcesses()).filter(({ runid }) => runid === run.context.instance.runid);
    await eventually(async () => expect(await taskOf(task_id)).toMatchObject({ completed_scenes: 1 }), { timeout_ms: 30_000 });
    await eventually(async () => expect((await children()).length).toBeGreaterThan(0));
    const asked = performance.now();
    run.stop('cancel');
    expect((await work).outcome).toMatchObject({ status: 'cancelled' });
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(await children()).toEqual([]);
    expect(readdirSync(run.context.folder)).toEqual(['artifacts']);
    expect(readdirSync(path.join(run.context.folder, 'artifacts', 'videos', task_id)).sort()).toEqual(['scene-001.jpg', 'scene-001.mp4']);
    await run.close();
  });

  it('is tried again when ffmpeg hangs', async () => {
    const task_id = await makeVideoTask(db.em as Em);
    const run = await engineRun({ em, instance: { task_id } });
    const work = make(
      { scenes: [{ description: 'x', duration: 20 }], width: 640, height: 360, fps: 30 },
      { task_id, run, config: { FFMPEG_STALL_S: 2 } },
    );
    const children = async () => (await listProcesses()).filter(({ runid }) => runid === run.context.instance.runid);
    await eventually(async () => expect((await children()).length).toBeGreaterThan(0), { interval_ms: 5 });
    for (const { pid } of await children()) signalProcess(pid, 'SIGSTOP');
    expect((await work).outcome.error).toBeNull();
    expect(await videosOf(task_id)).toMatchObject([{ status: 'completed', attempts: 2 }]);
    expect(run.of('system').join('\n')).toContain('stopped growing');
    await run.close();
  });
});

describe('progress', () => {
  it('is stored and reported as it rises, and never falls', async () => {
    const told: number[] = [];
    const task_id = await makeVideoTask(db.em as Em);
    const run = await engineRun({ em, instance: { task_id } });
    run.context.progress = (percent) => void told.push(percent);
    await make(
      {
        scenes: [
          { description: 'a', duration: 20 },
          { description: 'b', duration: 1 },
        ],
        width: 640,
        height: 360,
      },
      { task_id, run },
    );
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    const events = await query<{ progress: number }>(
      em(),
      `select (data->>'progress')::int4 as progress from video_events where task_id = $1 and event = 'progress' order by id`,
      [task_id],
    );
    const stored = events.map(({ progress }) => progress);
    expect(stored).toEqual(stored.toSorted((a, b) => a - b));
    expect(stored.length).toBeGreaterThanOrEqual(4);
    await run.close();
  });
});

describe('a limit on storage', () => {
  it('refuses a submission at it, and fails a video that would pass it', async () => {
    const engine = engineOf({ VIDEO_STORAGE_MB: 0 });
    const [user] = await query<{ id: number; username: string; role: string; rights: string[] }>(
      em(),
      'select id::int4 as id, username, role, rights from users',
    );
    const submitter = { em: em(), actor: user ?? { id: 0, username: '', role: '', rights: [] } };
    await expect(engine.check?.(engine.parameters.parse({ prompt: 'x' }), submitter)).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect(await engineOf().check?.(engine.parameters.parse({ prompt: 'x' }), submitter)).toEqual([]);
    const { outcome, run, task_id } = await make({ scenes: [{ description: 'x', duration: 1 }] }, { config: { VIDEO_STORAGE_MB: 0 } });
    expect(outcome).toMatchObject({ status: 'failed', code: 'storage_full' });
    expect(await query(em(), 'select 1 from video_files where task_id = $1', [task_id])).toEqual([]);
    await run.close();
  });

  it('pictures are refused at submit where none are configured', async () => {
    const engine = engineOf();
    const parameters = engine.parameters.parse({ scenes: [{ description: 'x' }, { description: 'y', picture: 'a.png' }] });
    const submitter = { em: em(), actor: { id: 1, username: 'ada', role: 'user', rights: [] } };
    expect(await engine.check?.(parameters, submitter)).toMatchObject([{ pointer: '/parameters/scenes/1/picture' }]);
  });
});

describe('a model as writer', () => {
  let server: http.Server;
  let answers: ((seen: { headers: http.IncomingHttpHeaders; body: string }) => {
    status: number;
    headers?: Record<string, string>;
    text: string;
  })[] = [];
  let calls: { headers: http.IncomingHttpHeaders; body: string }[] = [];
  beforeAll(async () => {
    server = http.createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      calls.push({ headers: request.headers, body });
      const answer = answers[Math.min(calls.length, answers.length) - 1]?.({ headers: request.headers, body });
      response.writeHead(answer?.status ?? 500, answer?.headers).end(answer?.text ?? '');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterAll(() => void server.close());
  beforeEach(() => {
    calls = [];
  });

  const says = (content: string) => () => ({ status: 200, text: JSON.stringify({ choices: [{ message: { content } }] }) });
  const SCRIPT = JSON.stringify({
    scenes: [
      { description: 'a fox', duration: 1, camera_movement: 'dolly in' },
      { description: 'an owl', duration: 1 },
    ],
  });
  const writer = () => ({
    kind: 'openai',
    base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
    model: 'tiny',
    api_key: { secret: 'key' },
  });
  const ask = async (config: Partial<Config> = { OUTBOUND_ALLOW: ['127.0.0.1'] }) => {
    const made = await make({ prompt: 'a fox and an owl', writer: writer(), scene_count: 2 }, { config, secrets: { key: 'sk-secret' } });
    await made.run.close();
    return made;
  };

  it('is asked with the key, waits when told to, and writes the script once', async () => {
    answers = [() => ({ status: 429, headers: { 'retry-after': '0' }, text: '' }), says(SCRIPT)];
    const { outcome, task_id } = await ask();
    expect(outcome.status).toBe('completed');
    expect(calls).toHaveLength(2);
    expect(calls[1]?.headers.authorization).toBe('Bearer sk-secret');
    expect(JSON.parse(calls[1]?.body ?? '{}')).toMatchObject({
      model: 'tiny',
      messages: [{ role: 'system' }, { role: 'user', content: 'a fox and an owl' }],
    });
    expect(
      await query(em(), 'select description, camera_movement from scripts where task_id = $1 order by scene_number', [task_id]),
    ).toEqual([
      { description: 'a fox', camera_movement: 'zoom_in' },
      { description: 'an owl', camera_movement: 'static' },
    ]);
  });

  it('gets a bad answer back once', async () => {
    answers = [says('no idea'), says(SCRIPT)];
    expect((await ask()).outcome.status).toBe('completed');
    expect(calls[1]?.body).toContain('holds no JSON array');
  });

  it.each([
    ['answers badly twice', () => [says('no'), says('no')], 'writer_failed'],
    ['refuses', () => [() => ({ status: 401, text: '{}' })], 'writer_failed'],
    ['fails for good', () => [() => ({ status: 503, headers: { 'retry-after': '0' }, text: '' })], 'writer_failed'],
    ['talks nonsense', () => [() => ({ status: 200, text: 'oops' })], 'writer_failed'],
  ])('that %s fails the task, and nothing is rendered', async (_what, given, code) => {
    answers = given();
    const { outcome, task_id } = await ask();
    expect(outcome).toMatchObject({ status: 'failed', code });
    expect(await videosOf(task_id)).toEqual([]);
  });

  it('is out of reach at a private address that is not allowed', async () => {
    await expect(ask({})).rejects.toMatchObject({ code: 'forbidden' });
    expect(calls).toHaveLength(0);
  });
});
