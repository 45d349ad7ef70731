import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import type { CommandContext } from '../../commands/context.ts';
import { previewRetention, requestRetention } from '../../commands/request-retention.ts';
import { type RetentionOptions, runRetention } from '../../commands/run-retention.ts';
import { seed } from '../../commands/seed.ts';
import { preparePartitions, sweepDetections } from '../../commands/sweep-detections.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { frame, makeSession, makeWriter, person } from '../support/detections.ts';
import { countOf, makeWorld, testEngines } from '../support/factories.ts';

const DAY = 86_400_000;
const POLICY = {
  idempotency_hours: 24,
  log_days: 30,
  instance_days: 30,
  task_days: 30,
  audit_days: 365,
  flames_log_days: 0,
  notice_days: 30,
  detection: { record_days: 30, violation_days: 90, statistics_days: 365, alert_days: 90 },
};

let db: TestDatabase;
let ctx: CommandContext;
let folder: string;
beforeEach(async () => {
  db = await createTestDatabase();
  ctx = await makeWorld(db.em);
  folder = await mkdtemp(path.join(tmpdir(), 'detection-retention-'));
});
afterEach(async () => {
  await db.drop();
  await rm(folder, { recursive: true, force: true });
});

const fork = (): Em => db.orm.em.fork() as Em;
const daysAgo = (days: number): number => Date.now() - days * DAY;
const partitions = async (): Promise<number> => await countOf(db.em, `pg_inherits where inhparent = 'detection_records'::regclass`);

/** Three frames with a violation, so many days ago, in a session of their own. */
async function store(days: number): Promise<number> {
  const session_id = await makeSession(db.em, ctx.actor.id, { session: `day-${days}`, rules: { interval: 1 } });
  const writer = makeWriter(fork);
  const sent = [1, 2, 3].map((n) => frame(n, [person('a')], daysAgo(days)));
  await writer.push({ session_id, frames: sent, owner: null }, { urgent: true });
  await writer.stop(5_000);
  await query(db.em, 'update violation_events set ended_at = last_seen where session_id = $1', [session_id]);
  await query(db.em, 'update detection_sessions set created_at = $2 where id = $1', [session_id, new Date(daysAgo(days)).toISOString()]);
  return session_id;
}

async function run(more: Partial<RetentionOptions> = {}) {
  const { id } = await requestRetention(ctx);
  return await runRetention(id as number, { fork, policy: POLICY, signal: new AbortController().signal, ...more });
}

it('drops whole days of records, keeps violations and statistics longer, and sessions as long as anything of theirs', async () => {
  for (const days of [0, 29, 31, 32, 100, 500]) await store(days);
  const before = await partitions();
  expect((await previewRetention(ctx, POLICY)).removed).toMatchObject({
    detection_records: 12,
    violation_events: 2,
    detection_minutes: 1,
    statistics_hourly: 1,
  });
  const { status, removed } = await run({ detections: { artifacts: createFolderStore(folder), archive: false } });
  expect({ status, removed }).toMatchObject({
    status: 'completed',
    removed: { detection_records: 12, violation_events: 2, detection_minutes: 1, statistics_hourly: 1, detection_sessions: 1 },
  });
  expect(await partitions()).toBe(before - 3);
  expect(await countOf(db.em, 'detection_records')).toBe(6);
  expect(await countOf(db.em, 'detection_sessions')).toBe(5);
  expect(await countOf(db.em, 'detection_frames')).toBe(5);
  expect((await run()).removed).toEqual({});
});

it('archives a day before it goes, with everything that is in it', async () => {
  await store(40);
  const artifacts = createFolderStore(folder);
  await run({ detections: { artifacts, archive: true } });
  const day = new Date(daysAgo(40)).toISOString().slice(0, 10);
  const key = `archive/detection_records/${day}.ndjson.gz`;
  const chunks: Buffer[] = [];
  for await (const chunk of await artifacts.open(key)) chunks.push(chunk as Buffer);
  const lines = gunzipSync(Buffer.concat(chunks))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ frame_number, camera_id, session }) => [frame_number, camera_id, session])).toEqual(
    [1, 2, 3].map((n) => [n, 'cam', 'day-40']),
  );
  expect(await countOf(db.em, 'detection_records')).toBe(0);
});

it('keeps confirmed violations four times as long, and removes pictures before their rows', async () => {
  const artifacts = createFolderStore(folder);
  for (const days of [100, 359, 361]) {
    const session = await store(days);
    await artifacts.put(`snapshots/${days}.jpg`, 'x');
    await query(db.em, `update violation_events set snapshot_key = $2, status = 'confirmed', handled_by = 'test' where session_id = $1`, [
      session,
      `snapshots/${days}.jpg`,
    ]);
  }
  expect((await run()).removed).not.toHaveProperty('violation_events');
  expect((await run({ detections: { artifacts, archive: false } })).removed).toMatchObject({ violation_events: 1 });
  const left = (await Promise.all([100, 359, 361].map((days) => artifacts.stat(`snapshots/${days}.jpg`)))).map(Boolean);
  expect(left).toEqual([true, true, false]);
});

it('waits for nobody: a day that is being read goes with a later try', async () => {
  await store(40);
  let release = (): void => undefined;
  const reading = fork().transactional(async (tx) => {
    await query(tx as Em, 'select count(*) from detection_records');
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  });
  const running = run();
  setTimeout(() => release(), 1_500);
  expect((await running).removed).toMatchObject({ detection_records: 3 });
  await reading;
});

it('prepares partitions ahead, ends what fell silent and computes what nobody computed', async () => {
  await preparePartitions(fork(), Date.now());
  expect(await partitions()).toBe(4);
  await store(0);
  await query(db.em, `update violation_events set ended_at = null`);
  await query(db.em, `update statistics_hourly set dirty = true, total_frames = 0`);
  expect(await sweepDetections(fork())).toEqual({ ended: 0, computed: 1 });
  expect(await countOf(db.em, 'statistics_hourly where total_frames = 3')).toBe(1);
  for (const table of ['violation_events', 'detection_sessions']) {
    await query(db.em, `alter table ${table} disable trigger user`);
    await query(db.em, `update ${table} set updated_at = now() - interval '51 seconds'`);
    await query(db.em, `alter table ${table} enable trigger user`);
  }
  expect((await sweepDetections(fork())).ended).toBe(1);
});

it('a fresh installation has two alert rules, and one whose rules were removed has none', async () => {
  const start = () => seed(db.em.fork() as Em, { cpu: 1, memory_mb: 1_000, engines: testEngines });
  await start();
  expect(await query(db.em, 'select name, enabled, channels from alert_rules order by id')).toEqual([
    { name: 'no-hairnet', enabled: true, channels: [{ kind: 'notify' }] },
    { name: 'many-violations', enabled: true, channels: [{ kind: 'notify' }] },
  ]);
  await query(db.em, 'delete from alert_rules');
  await start();
  expect(await countOf(db.em, 'alert_rules')).toBe(0);
});
