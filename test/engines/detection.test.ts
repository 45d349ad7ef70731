import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Outcome } from '../../core/outcome.ts';
import type { StopReason } from '../../engines/define-engine.ts';
import { createDetectionEngine } from '../../engines/detection/index.ts';
import { formatOf } from '../../engines/detection/replay.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { runningInstance } from '../support/detections.ts';
import { describeWithDocker, ensureTestImage, TEST_IMAGE } from '../support/docker-image.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';
import { countOf, makeUser, makeWorld } from '../support/factories.ts';
import { describeWithTracks, TUD_CAMPUS, tudCampusLines } from '../support/track-files.ts';

let db: TestDatabase;
let folder: string;
beforeAll(async () => {
  db = await createTestDatabase();
  await makeWorld(db.em);
  folder = await mkdtemp(path.join(tmpdir(), 'detection-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await db.drop();
});

const engineWith = (roots: string[]) =>
  createDetectionEngine(
    {
      DETECTION_ROOTS: roots,
      DETECTION_SAVE_INTERVAL: 10,
      DETECTION_QUEUE_MB: 8,
      SHELL_UID_BASE: 64_000,
      ENGINE_SHELL: true,
      DOCKER_HOST: undefined,
      TASK_LOG_CAP_BYTES: 1e6,
      OUTBOUND_ALLOW: ['127.0.0.1'],
    },
    `detection-${process.pid}`,
  );
const engine = engineWith([path.dirname(TUD_CAMPUS), '/tmp']);

type Given = Record<string, unknown>;
const open = async (instance?: Awaited<ReturnType<typeof runningInstance>>): Promise<TestRun> =>
  await engineRun({ em: () => db.orm.em.fork() as Em, instance: instance ?? (await runningInstance(db.em)) });

/** Runs to its end. */
async function run(parameters: Given, execution?: Parameters<typeof open>[0]): Promise<{ outcome: Outcome; lines: TestRun }> {
  const lines = await open(execution);
  const outcome = await engine.run(engine.parameters.parse(parameters), lines.context);
  await lines.close();
  return { outcome, lines };
}
const printing = (script: string): Given => ({ kind: 'command', argv: ['sh', '-c', script] });
const rows = (sql: string, parameters: unknown[] = []) => query(db.em, sql, parameters);

describeWithTracks('replay of TUD-Campus', () => {
  const replay = (more: Given = {}): Given => ({
    camera_id: 'campus',
    source: { kind: 'file', path: TUD_CAMPUS },
    detector: { kind: 'replay' },
    ...more,
  });

  it('stores 8 sampled records with 40 persons and counts 359 person-frames; replayed again it adds nothing', async () => {
    const first = await run(replay());
    expect(first.outcome).toMatchObject({
      status: 'completed',
      result: {
        frames_read: 71,
        frames_new: 71,
        frames: 71,
        records: 8,
        sampled_records: 8,
        sampled_persons: 40,
        person_frames: 359,
        violations: 0,
        compliance: 1,
      },
    });
    const counts = async () => [
      await countOf(db.em, 'detection_records'),
      await rows('select total_frames, person_frames from statistics_hourly'),
    ];
    const before = await counts();
    const again = await run(replay());
    expect(again.outcome).toMatchObject({ status: 'completed', result: { frames_read: 71, frames_new: 0, frames: 71, records: 8 } });
    expect(await counts()).toEqual(before);
  });

  it('with every track violating has exactly 8 violations, which end with the run', async () => {
    const violating = replay({ classifier: { kind: 'all' } });
    expect((await run(violating)).outcome).toMatchObject({
      result: { violations: 8, person_frames: 359, violating_person_frames: 359, compliance: 0, sampled_records: 8 },
    });
    expect((await run(violating)).outcome).toMatchObject({ result: { frames_new: 0, violations: 8 } });
    expect(await countOf(db.em, 'violation_events where ended_at is not null')).toBe(8);
    expect(await countOf(db.em, 'violation_events where ended_at is null')).toBe(0);
  });

  it('with some tracks violating has theirs only, and reads texts as files', async () => {
    const text = { kind: 'text', text: tudCampusLines().join('\n') };
    const classifier = { kind: 'tracks', track_ids: ['3', '6'], violation_type: 'no_gloves', severity: 'high' };
    const { outcome } = await run(replay({ source: text, classifier, camera_id: 'some', save_interval: 1 }));
    expect(outcome).toMatchObject({ result: { violations: 2, violating_person_frames: 72, records: 71 } });
    expect(
      await rows(`select track_id, violation_type, severity, frames from violation_events where camera_id = 'some' order by 1`),
    ).toEqual([
      { track_id: '3', violation_type: 'no_gloves', severity: 'high', frames: 63 },
      { track_id: '6', violation_type: 'no_gloves', severity: 'high', frames: 9 },
    ]);
  });
});

describe('replays', () => {
  const text = (content: string, more: Given = {}): Given => ({
    camera_id: 'text',
    source: { kind: 'text', text: content },
    detector: { kind: 'replay', ...more },
  });

  it('know formats by their beginning', () => {
    expect(
      ['1,2,3', '{"frame_number": 1}\n{"frame_number": 2}', '{"images": []}', '{\n"images": []}', '[{"image_id": 1}]'].map(formatOf),
    ).toEqual(['mot', 'ndjson', 'coco', 'coco', 'coco']);
  });

  it('take the times of the file, or count from the first frame on', async () => {
    const lines = [7, 8].map((n) => JSON.stringify({ frame_number: n, timestamp: `2026-01-01T00:00:0${n}Z`, person_count: n })).join('\n');
    await run(text(lines));
    await run({ ...text('40,1,0,0,1,1\n10,1,0,0,1,1', { fps: 10, start_at: '2026-01-02T00:00:00Z' }), save_interval: 1 });
    const found = `select frame_number::int4 as f, to_char(timestamp at time zone 'UTC', 'DD SS') as at from detection_records where camera_id = 'text' order by timestamp`;
    expect(await rows(found)).toEqual([
      { f: 7, at: '01 07' },
      { f: 10, at: '02 00' },
      { f: 40, at: '02 03' },
    ]);
  });

  it('leave out what has a low score, and name what is wrong by its line', async () => {
    const { outcome } = await run(text('1,-1,0,0,9,9,0.9\n1,-1,50,0,9,9,0.2', { min_score: 0.5 }));
    expect(outcome.result).toMatchObject({ person_frames: 1 });
    expect((await run(text('1,1,0,0,9,9\n2,1,0,x,9,9'))).outcome).toMatchObject({
      status: 'failed',
      code: 'invalid_input',
      error: { message: expect.stringContaining('line 2, top') },
    });
    expect((await run(text('{"frame_number": 1}\n{"frame_number": -1}'))).outcome.error?.message).toMatch(/^line 2: frame_number/);
  });

  it('can be as slow as they were recorded, and are stopped with what they have', async () => {
    const lines = Array.from({ length: 100 }, (_, n) => `${n},1,0,0,9,9,1`).join('\n');
    const slow = await open();
    const work = engine.run(engine.parameters.parse(text(lines, { fps: 10, speed: 1 })), slow.context);
    await eventually(async () =>
      expect(await countOf(db.em, `detection_sessions where camera_id = 'text' and frames between 3 and 50`)).toBe(1),
    );
    slow.stop('cancel');
    const outcome = await work;
    expect(outcome).toMatchObject({ status: 'cancelled', error: { details: { frames_read: expect.any(Number), violations: 0 } } });
    const stored = await rows(
      `select frames::int4, ended_at is not null as ended from detection_sessions where camera_id = 'text' and frames between 3 and 50`,
    );
    expect(stored).toEqual([{ frames: outcome.error?.details?.frames_read, ended: true }]);
    await slow.close();
  });

  it.each(['/etc/passwd', '/tmp/../etc/passwd', 'LINK', 'NONE'])('read no file elsewhere: %s', async (file) => {
    const link = path.join(folder, 'link');
    if (file === 'LINK') await symlink('/etc/passwd', link);
    const source = { kind: 'file', path: file === 'LINK' ? link : file === 'NONE' ? path.join(folder, 'none') : file };
    const lines = await open();
    const code = file === 'NONE' ? 'not_found' : 'forbidden';
    await expect(
      engine.run(engine.parameters.parse({ camera_id: 'x', source, detector: { kind: 'replay' } }), lines.context),
    ).rejects.toMatchObject({ code });
    await lines.close();
  });
});

describe('commands', () => {
  it('print frames, numbered as they come where they have no number; what is no frame goes into the log', async () => {
    const detector = printing(
      `echo loading; echo '{"person_count": 2}'; echo oops >&2; printf '{"person_count": 3, "hairnet_violations": 1}'`,
    );
    const { outcome, lines } = await run({ camera_id: 'cmd', detector, save_interval: 1 });
    expect(outcome).toMatchObject({ status: 'completed', result: { frames: 2, records: 2, person_frames: 5, violating_person_frames: 1 } });
    expect([lines.of('stdout'), lines.of('stderr')]).toEqual([['loading'], ['oops']]);
    expect(
      await rows(`select frame_number::int4 as f, person_count as n from detection_records where camera_id = 'cmd' order by 1`),
    ).toEqual([
      { f: 0, n: 2 },
      { f: 1, n: 3 },
    ]);
  });

  it('are told their source, with nothing of the worker’s environment', async () => {
    const file = path.join(folder, 'video');
    await writeFile(file, 'x');
    const { lines } = await run({
      camera_id: 'env',
      source: { kind: 'file', path: file },
      detector: printing('echo "$DETECTION_SOURCE"; env | wc -l'),
    });
    expect(lines.of('stdout')[0]).toBe(file);
    expect(Number(lines.of('stdout')[1])).toBeLessThan(10);
  });

  it('that fail, or print a wrong frame, fail the task; frames before are kept', async () => {
    const failed = await run({ camera_id: 'bad', detector: printing(`echo '{"person_count": 1}'; exit 3`) });
    expect(failed.outcome).toMatchObject({ status: 'failed', code: 'exit_code', error: { details: { exit_code: 3, frames: 1 } } });
    const wrong = await run({
      camera_id: 'bad',
      detector: printing(`echo '{"person_count": 1}'; echo; echo '{"person_count": "x"}'; sleep 60`),
    });
    expect(wrong.outcome).toMatchObject({
      status: 'failed',
      code: 'invalid_input',
      error: { message: expect.stringMatching(/^line 3: person_count/), details: { frames: 1 } },
    });
    const missing = await run({ camera_id: 'bad', detector: { kind: 'command', argv: ['/nonexistent/detector'] } });
    expect(missing.outcome).toMatchObject({ status: 'failed', code: 'exit_code' });
  });

  it('are gone on with after the worker was lost: frames of a file are stored once', async () => {
    const file = path.join(folder, 'resumed');
    await writeFile(file, 'x');
    const script = `for n in 1 2 3 4 5 6; do echo "{\\"frame_number\\": $n, \\"person_count\\": 1}"; sleep 0.1; done`;
    const parameters = { camera_id: 'lost', source: { kind: 'file', path: file }, detector: printing(script), save_interval: 1 };
    const instance = await runningInstance(db.em);
    const first = await open(instance);
    const work = engine.run(engine.parameters.parse(parameters), first.context);
    await eventually(async () => expect(await countOf(db.em, `detection_records where camera_id = 'lost'`)).toBeGreaterThan(0));
    first.stop('shutdown');
    await expect(work).rejects.toMatchObject({ code: 'superseded' });
    await first.close();
    await rows('update instances set lease_epoch = 2 where runid = $1', [instance.runid]);
    const { outcome } = await run(parameters, { ...instance, execution: 2 });
    expect(outcome).toMatchObject({ status: 'completed', result: { frames_read: 6, frames: 6, records: 6, person_frames: 6 } });
    expect((outcome.result as { frames_new: number }).frames_new).toBeLessThan(6);
  });

  it('stop storing as soon as another execution owns the instance', async () => {
    const instance = await runningInstance(db.em);
    const lines = await open(instance);
    const script = 'for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "{}"; sleep 0.1; done; sleep 60';
    const work = engine.run(engine.parameters.parse({ camera_id: 'fenced', detector: printing(script), save_interval: 1 }), lines.context);
    work.catch(() => undefined);
    await eventually(async () => expect(await countOf(db.em, `detection_records where camera_id = 'fenced'`)).toBeGreaterThan(0));
    await rows('update instances set lease_epoch = 2 where runid = $1', [instance.runid]);
    await expect(work).rejects.toMatchObject({ code: 'superseded' });
    await lines.close();
  });

  it('take the right to run them, at submit and when they start', async () => {
    const parameters = engine.parameters.parse({ camera_id: 'x', detector: printing('true') });
    const nobody = { id: 1, username: 'bo', role: 'user', rights: [] };
    await expect(engine.check?.(parameters, { em: db.em as Em, actor: nobody })).rejects.toMatchObject({ code: 'forbidden' });
    expect(await engine.check?.(parameters, { em: db.em as Em, actor: { ...nobody, rights: ['shell'] } })).toEqual([]);
    const instance = await runningInstance(db.em);
    const user = await makeUser(db.em, 'carl');
    const lines = await open({ ...instance, user_id: user.id });
    await expect(engine.run(parameters, lines.context)).rejects.toMatchObject({ code: 'forbidden' });
    await lines.close();
  });

  it('and files are checked at submit', async () => {
    const parameters = engine.parameters.parse({
      camera_id: 'x',
      source: { kind: 'file', path: '/etc/passwd' },
      detector: { kind: 'replay' },
    });
    const problems = await engine.check?.(parameters, { em: db.em as Em, actor: { id: 1, username: 'bo', role: 'user', rights: [] } });
    expect(problems).toEqual([{ pointer: '/parameters/source/path', detail: expect.stringContaining('DETECTION_ROOTS') }]);
  });

  it.each<[StopReason, string]>([
    ['cancel', 'cancelled'],
    ['timeout', 'timed_out'],
  ])('on %s keep what they printed, and end their violations', async (reason, status) => {
    const camera_id = `stop-${reason}`;
    const lines = await open();
    const line = JSON.stringify({ objects: [{ track_id: 1, violations: ['no_hairnet'] }] });
    const work = engine.run(
      engine.parameters.parse({ camera_id, detector: printing(`for n in 1 2 3; do echo '${line}'; done; sleep 60`) }),
      lines.context,
    );
    await eventually(async () => expect(await countOf(db.em, 'violation_events where camera_id = $1', [camera_id])).toBe(1));
    lines.stop(reason);
    expect(await work).toMatchObject({ status, error: { details: { frames: 3, violations: 1 } } });
    expect(await rows('select ended_at is not null as ended from violation_events where camera_id = $1', [camera_id])).toEqual([
      { ended: true },
    ]);
    await lines.close();
  });
});

(await describeWithDocker())('containers', () => {
  beforeAll(async () => void (await ensureTestImage()));

  it('print frames too, and end with their exit code', async () => {
    const container = (script: string) => ({ kind: 'docker', image: TEST_IMAGE, command: ['sh', '-c', script], network: 'none' });
    const good = await run({
      camera_id: 'box',
      detector: container(`echo hello; echo '{"person_count": 4}'; echo '{"person_count": 1}'`),
      save_interval: 1,
    });
    expect(good.outcome).toMatchObject({ status: 'completed', result: { frames: 2, person_frames: 5 } });
    expect(good.lines.of('stdout')).toEqual(['hello']);
    const bad = await run({ camera_id: 'box', detector: container(`echo '{"person_count": 4}'; exit 7`) });
    expect(bad.outcome).toMatchObject({ status: 'failed', code: 'exit_code', error: { details: { frames: 1 } } });
  });
});
