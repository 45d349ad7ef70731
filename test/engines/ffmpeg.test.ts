import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toolFailure } from '../../core/ffmpeg/failure.ts';
import type { ProgressReport } from '../../core/ffmpeg/progress.ts';
import { FFMPEG_BASE } from '../../core/video/scene-graph.ts';
import { findTools, type Tools } from '../../engines/ffmpeg/find-tools.ts';
import { runTool, type ToolRun } from '../../engines/ffmpeg/run-tool.ts';
import { runnableFile } from '../../engines/ffmpeg/runnable-file.ts';
import { openWorkplace, sweepWorkplaces } from '../../engines/ffmpeg/workplace.ts';
import { listProcesses, signalProcess } from '../../engines/shell/processes.ts';
import { engineRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';

const NEEDS = { encoders: ['libx264', 'aac'], filters: ['drawtext', 'zoompan'] };
const asRoot = process.getuid?.() === 0 ? test : test.skip;

let folder: string;
let tools: Tools;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'ffmpeg-test-'));
  const found = await findTools({ FFMPEG_PATH: undefined, FFPROBE_PATH: undefined }, NEEDS);
  if ('missing' in found) throw new Error(found.missing);
  tools = found;
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (argv: string[], more: Partial<ToolRun> = {}): Promise<Awaited<ReturnType<typeof runTool>>> =>
  runTool({
    file: tools.ffmpeg,
    argv,
    cwd: folder,
    owner: { runid: 'ffmpeg-test', worker: `ffmpeg-${process.pid}`, uid: null },
    signal: new AbortController().signal,
    stall_s: 20,
    ...more,
  });
const ENDLESS = [...FFMPEG_BASE, '-re', '-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=10', '-c:v', 'libx264', '-f', 'null', '-'];
const mine = async () => (await listProcesses()).filter(({ worker }) => worker === `ffmpeg-${process.pid}`);

test('the tools are found, and one that lacks what is needed is not', async () => {
  expect(tools.version).toMatch(/^ffmpeg version /);
  const lacking = await findTools(
    { FFMPEG_PATH: undefined, FFPROBE_PATH: undefined },
    { encoders: ['libnothing'], filters: ['drawtext', 'nofilter'] },
  );
  expect(lacking).toEqual({ missing: expect.stringMatching(/built without libnothing, nofilter$/) });
  expect(await findTools({ FFMPEG_PATH: '/nowhere/ffmpeg', FFPROBE_PATH: undefined }, NEEDS)).toEqual({
    missing: expect.stringContaining('FFMPEG_PATH'),
  });
});

test('a run reports frames and ends with what it made', async () => {
  const reports: ProgressReport[] = [];
  const argv = [...FFMPEG_BASE, '-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=10:d=3', '-c:v', 'libx264', 'out.mp4'];
  const exit = await run(argv, { on_report: (report) => reports.push(report) });
  expect(toolFailure('ffmpeg', exit)).toBeNull();
  expect(reports.at(-1)).toMatchObject({ frame: 30, done: true });
  expect(statSync(path.join(folder, 'out.mp4')).size).toBeGreaterThan(500);
});

test('a bad input fails with the words of ffmpeg and is not worth a repetition', async () => {
  const failure = toolFailure('ffmpeg', await run([...FFMPEG_BASE, '-i', 'nothing.mp4', 'out2.mp4']));
  expect(failure).toMatchObject({ code: 'bad_input', retryable: false, message: expect.stringContaining('nothing.mp4') });
});

test('only the protocols that are allowed are opened, whatever a file says', async () => {
  writeFileSync(path.join(folder, 'evil.m3u8'), '#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n');
  const failure = toolFailure('ffmpeg', await run([...FFMPEG_BASE, '-protocol_whitelist', 'file,pipe', '-i', 'evil.m3u8', 'evil.mp4']));
  expect(failure?.message).toMatch(/whitelist|Invalid data|Invalid argument/);
});

test('a process that was stopped is killed once nothing has grown for the time allowed', async () => {
  const work = run(ENDLESS, { stall_s: 5, on_report: () => undefined });
  const stopped = async () => (await mine()).map(({ pid }) => signalProcess(pid, 'SIGSTOP'));
  await eventually(async () => expect(await stopped()).toContain(true));
  const exit = await work;
  expect(exit).toMatchObject({ stalled: true, signal: 'SIGKILL' });
  expect(toolFailure('ffmpeg', exit)).toMatchObject({ code: 'stalled', retryable: true });
  expect(await mine()).toEqual([]);
});

test('an abort ends the process within two seconds, also one that does not listen', async () => {
  for (const stopped of [false, true]) {
    const stop = new AbortController();
    const work = run(ENDLESS, { signal: stop.signal, on_report: () => undefined });
    await eventually(async () => expect((await mine()).length).toBeGreaterThan(0));
    if (stopped) for (const { pid } of await mine()) signalProcess(pid, 'SIGSTOP');
    const asked = performance.now();
    stop.abort('cancel');
    await work;
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(await mine()).toEqual([]);
  }
});

test('a program that cannot be started is a result like any other', async () => {
  expect(toolFailure('x', await run([], { file: '/nowhere/x' }))).toMatchObject({ message: expect.stringContaining('/nowhere/x') });
});

asRoot('a file below a private folder is copied for others, once', async () => {
  const hidden = path.join(folder, 'private');
  mkdirSync(hidden, { mode: 0o700 });
  const file = path.join(hidden, `tool-${process.pid}`);
  writeFileSync(file, '#!/bin/sh\necho "$(id -u)"\n', { mode: 0o744 });
  const copy = (await runnableFile(file)) ?? '';
  expect(copy).not.toBe(file);
  expect(await runnableFile(file)).toBe(copy);
  const { stdout } = await run([], { file: copy, cwd: '/', owner: { runid: 'x', worker: 'x', uid: 64_321 } });
  expect(stdout.trim()).toBe('64321');
  rmSync(copy);
  expect(await runnableFile(path.join(hidden, 'nothing'))).toBeNull();
});

test('a workplace runs its tools as a user of their own where that is possible, and leaves nothing', async () => {
  const surroundings = await engineRun();
  const place = await openWorkplace({ worker: 'w', uid_base: 64_000 }, surroundings.context);
  writeFileSync(place.file('in.txt'), 'text', { mode: 0o600 });
  await place.give('in.txt');
  const copy = await run(['-c', 'cat in.txt > out.txt; ln -s /etc/passwd link; id -u'], {
    file: '/bin/sh',
    cwd: place.folder,
    owner: place.owner,
  });
  if (process.getuid?.() === 0) expect(Number(copy.stdout)).toBeGreaterThanOrEqual(64_000);
  expect(readFileSync(await place.receive('out.txt'), 'utf8')).toBe('text');
  expect(statSync(place.file('out.txt')).uid).toBe(process.getuid?.());
  await expect(place.receive('link')).rejects.toMatchObject({ code: 'internal' });
  await expect(place.receive('nothing')).rejects.toMatchObject({ code: 'internal' });
  await place.close();
  expect(existsSync(place.folder)).toBe(false);
  await surroundings.close();
});

test('a sweep kills what dead instances of the same worker left, and nothing else', async () => {
  const live = run(ENDLESS, {
    owner: { runid: 'live', worker: `ffmpeg-${process.pid}`, uid: null },
    on_report: () => undefined,
    stall_s: 60,
  });
  const dead = run(ENDLESS, {
    owner: { runid: 'dead', worker: `ffmpeg-${process.pid}`, uid: null },
    on_report: () => undefined,
    stall_s: 60,
  });
  await eventually(async () => expect(new Set((await mine()).map(({ runid }) => runid))).toEqual(new Set(['live', 'dead'])));
  expect(await sweepWorkplaces(`ffmpeg-${process.pid}`, new Set(['live']))).toBeGreaterThan(0);
  expect(await dead).toMatchObject({ signal: 'SIGKILL', stalled: false });
  await sweepWorkplaces(`ffmpeg-${process.pid}`, new Set());
  await live;
});

test.each(['@ffmpeg-installer/ffmpeg', '@ffprobe-installer/ffprobe'])('without a command on PATH, %s of npm serves', async (name) => {
  const { createRequire } = await import('node:module');
  const { path: file } = createRequire(import.meta.url)(name) as { path: string };
  chmodSync(file, statSync(file).mode | 0o100);
  const found = await runnableFile(file);
  expect((await run(['-version'], { file: found ?? '' })).stdout).toMatch(/^ff(mpeg|probe) version/);
});
