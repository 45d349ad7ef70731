import { setTimeout as pause } from 'node:timers/promises';
import { parseMot } from '../../core/detection/mot.ts';
import type { DetectionWriter } from '../../engines/detection/detection-writer.ts';
import { weightOfAll } from '../../engines/detection/frame-queue.ts';
import { updateHourlyStatistics } from '../../entities/camera-statistics.queries.ts';
import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import { CuttableProxy } from '../e2e/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BARE, frame, frames, makeSession, makeWriter, person, START } from '../support/detections.ts';
import { countOf, emptyDatabase, makeUser, makeWorld, startTask } from '../support/factories.ts';
import { describeWithTracks, tudCampusLines } from '../support/track-files.ts';

let db: TestDatabase;
let user: number;
const writers: DetectionWriter[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  await emptyDatabase(db.em);
  await query(db.em, 'truncate detection_records');
  user = (await makeUser(db.em, 'bo')).id;
});
afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.stop(5_000)));
});

const fork = (): Em => db.orm.em.fork() as Em;
const writer = (max_weight?: number): DetectionWriter => {
  const made = makeWriter(fork, max_weight);
  writers.push(made);
  return made;
};
const session = (more?: Parameters<typeof makeSession>[2]) => makeSession(db.em, user, more);
const rows = async (sql: string): Promise<unknown[]> => await query(db.em, sql);
const HOURS = `select camera_id, to_char(hour_start at time zone 'UTC', 'HH24') as hour, total_frames, person_frames, persons_max, violating_person_frames as violating,
  violations_opened as opened, distinct_tracks as tracks, compliance, dirty from statistics_hourly order by 1, 2`;

describeWithTracks('TUD-Campus', () => {
  const recorded = parseMot(tudCampusLines()).frames.map(({ frame_number, objects }) =>
    frame(
      frame_number,
      objects.map((object) => ({ ...object, violations: [BARE] })),
    ),
  );

  it('makes 8 sampled records with 40 persons, 359 person-frames and 8 violations; sent again it makes nothing', async () => {
    const session_id = await session();
    const first = await writer().push({ session_id, frames: recorded, owner: null }, { urgent: false });
    expect(first).toMatchObject({ outcome: 'stored', accepted: 71, duplicates: 0 });
    const stored = async () => [
      await rows(`select count(*)::int4 as n, sum(person_count)::int4 as persons from detection_records where saved_for = 'sample'`),
      await rows(`select count(*)::int4 as n, sum(frames)::int4 as seen, count(distinct track_id)::int4 as tracks from violation_events`),
      await updateHourlyStatistics(db.em).then(() => rows(HOURS)),
    ];
    const before = await stored();
    expect(before).toMatchObject([
      [{ n: 8, persons: 40 }],
      [{ n: 8, seen: 359, tracks: 8 }],
      [
        {
          camera_id: 'cam',
          hour: '12',
          total_frames: 71,
          person_frames: 359,
          persons_max: 6,
          violating: 359,
          opened: 8,
          tracks: 8,
          compliance: 0,
          dirty: false,
        },
      ],
    ]);
    expect(await writer().push({ session_id, frames: recorded, owner: null }, { urgent: false })).toMatchObject({
      accepted: 0,
      duplicates: 71,
      saved: 0,
    });
    expect(await stored()).toEqual(before);
  });
});

describe('storing frames', () => {
  it('stores each once, however many writers are sent the same ones at the same time', async () => {
    const session_id = await session();
    const group = () => ({ session_id, frames: frames(0, 999, [person('a')]), owner: null });
    const saved = await Promise.all([writer(), writer(), writer()].map((one) => one.push(group(), { urgent: true })));
    const sum = (of: 'accepted' | 'duplicates') => saved.reduce((total, one) => total + (one.outcome === 'stored' ? one[of] : 0), 0);
    expect([sum('accepted'), sum('duplicates')]).toEqual([1_000, 2_000]);
    expect(await rows('select frames::int4, records::int4, person_frames::int4, violations from detection_sessions')).toMatchObject([
      { frames: 1_000, person_frames: 1_000, violations: 1 },
    ]);
    expect(await countOf(db.em, `detection_records where saved_for = 'sample'`)).toBe(100);
    expect(await countOf(db.em, 'violation_events')).toBe(1);
    expect(await rows('select sum(frames)::int4 as n from detection_minutes')).toEqual([{ n: 1_000 }]);
  });

  it('puts days into partitions, and frames of many days and hours where they belong', async () => {
    const session_id = await session({ rules: { interval: 1 } });
    const day = 24 * 3_600_000;
    const today = Date.now() - (Date.now() % day);
    const sent = [frame(0, [], today - 3 * day), frame(1, [], today - 41), frame(2, [], today), frame(3, [], Date.UTC(1999, 0, 1))];
    await writer().push({ session_id, frames: sent, owner: null }, { urgent: true });
    const where = await rows(
      `select replace(tableoid::regclass::text, 'partitions.detection_records_', '') as place from detection_records order by frame_number`,
    );
    const name = (at: number) => ({ place: new Date(at).toISOString().slice(0, 10).replaceAll('-', '') });
    expect(where).toEqual([name(today - 3 * day), name(today - day), name(today), { place: 'default' }]);
    expect(await countOf(db.em, 'detection_minutes')).toBe(4);
  });

  it('computes hours with late frames, and the same again and again', async () => {
    const session_id = await session();
    const hour = 3_600_000;
    await writer().push({ session_id, frames: frames(10, 12, [person('a', [])]), owner: null }, { urgent: true });
    await writer().push(
      { session_id, frames: [frame(13, [person('a'), person('b')], START + hour - 13 * 40)], owner: null },
      { urgent: true },
    );
    await updateHourlyStatistics(db.em);
    const before = await rows(HOURS);
    expect(before).toMatchObject([
      { hour: '12', total_frames: 3, person_frames: 3, compliance: 1, tracks: 1 },
      { hour: '13', total_frames: 1, person_frames: 2, compliance: 0, tracks: 2 },
    ]);
    expect(await updateHourlyStatistics(db.em)).toBe(0);
    await query(db.em, 'update statistics_hourly set dirty = true');
    expect(await updateHourlyStatistics(db.em)).toBe(2);
    expect(await rows(HOURS)).toEqual(before);
    await writer().push({ session_id, frames: [frame(1, [person('c'), person('d'), person('e')])], owner: null }, { urgent: true });
    await updateHourlyStatistics(db.em);
    expect((await rows(HOURS))[0]).toMatchObject({
      hour: '12',
      total_frames: 4,
      person_frames: 6,
      persons_max: 3,
      violating: 3,
      compliance: 0.5,
      tracks: 4,
    });
  });

  it('opens, ends and numbers violations of an identity', async () => {
    const session_id = await session();
    const one = writer();
    await one.push({ session_id, frames: frames(1, 3, [person('a')]), owner: null }, { urgent: true });
    expect(await rows('select status, segment_no, frames, ended_at, opened_frame::int4 as opened from violation_events')).toEqual([
      { status: 'pending', segment_no: 1, frames: 3, ended_at: null, opened: 3 },
    ]);
    await one.push({ session_id, frames: frames(1_100, 1_102, [person('a')]), owner: null }, { urgent: true });
    const events = `select segment_no, frames, ended_at = last_seen as ended, extract(epoch from last_seen - timestamp)::float8 as s from violation_events order by 1`;
    expect(await rows(events)).toEqual([
      { segment_no: 1, frames: 3, ended: true, s: 0.08 },
      { segment_no: 2, frames: 3, ended: null, s: 0.08 },
    ]);
  });

  it('says so when the session is gone', async () => {
    expect(await writer().push({ session_id: 4_711, frames: frames(1, 2), owner: null }, { urgent: true })).toEqual({ outcome: 'gone' });
  });

  it('stores nothing for an execution that does not own its instance any more', async () => {
    const ctx = await makeWorld(db.em);
    const { runid } = await startTask(ctx);
    const session_id = await session();
    const group = (execution: number, number: number) => ({ session_id, frames: [frame(number)], owner: { runid, execution } });
    const [own, other] = await Promise.all([writer().push(group(1, 1), { urgent: true }), writer().push(group(2, 2), { urgent: true })]);
    expect([own.outcome, other.outcome]).toEqual(['stored', 'superseded']);
    expect(await rows('select frames::int4 from detection_sessions')).toEqual([{ frames: 1 }]);
  });
});

describe('the queue', () => {
  it('gathers what nobody waits for, and is full at its limit', async () => {
    const session_id = await session();
    const batch = frames(0, 99);
    const one = writer(weightOfAll(batch) * 2);
    const first = one.push({ session_id, frames: batch, owner: null }, { urgent: false });
    expect(one.hasRoom(weightOfAll(batch))).toBe(false);
    expect(one.hasRoom(weightOfAll(batch) / 2)).toBe(true);
    expect(one.retryAfterS()).toBeGreaterThanOrEqual(1);
    await first;
    expect([one.waiting, one.hasRoom(weightOfAll(batch))]).toEqual([0, true]);
  });

  it('is stored when the process stops, and refuses what comes then', async () => {
    const session_id = await session();
    const one = writer();
    const saved = one.push({ session_id, frames: frames(0, 1_999), owner: null }, { urgent: false });
    await one.stop(10_000);
    expect(await saved).toMatchObject({ accepted: 2_000 });
    expect(await rows('select total_frames from statistics_hourly')).toEqual([{ total_frames: 2_000 }]);
    await expect(one.push({ session_id, frames: [frame(1)], owner: null }, { urgent: false })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('keeps everything while the database is away, and tells who waits when it stops meanwhile', async () => {
    const session_id = await session();
    const url = new URL(db.url);
    const proxy = new CuttableProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(await proxy.listen());
    const orm = await createOrm({ url: url.href, pool_max: 3, application_name: 'cut' });
    const one = makeWriter(() => orm.em.fork() as Em);
    await one.push({ session_id, frames: [frame(1)], owner: null }, { urgent: true });
    proxy.cut();
    const saved = [2, 3, 4].map((n) => one.push({ session_id, frames: [frame(n)], owner: null }, { urgent: true }));
    await pause(300);
    expect(one.waiting).toBe(3);
    proxy.mend();
    expect(await Promise.all(saved)).toMatchObject([{ accepted: 1 }, { accepted: 1 }, { accepted: 1 }]);
    proxy.cut();
    const lost = one.push({ session_id, frames: [frame(5)], owner: null }, { urgent: true });
    const told = expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    await one.stop(200);
    await told;
    await orm.close(true);
    await proxy.close();
    expect(await rows('select frames::int4 from detection_sessions')).toEqual([{ frames: 4 }]);
  });

  it('tells who sent what the database refuses, and stores the rest', async () => {
    const session_id = await session();
    const bad = { ...frame(11), detail: { text: 'a\0b' } };
    const one = writer();
    const [good, refused] = await Promise.allSettled([
      one.push({ session_id, frames: [frame(1)], owner: null }, { urgent: false }),
      one.push({ session_id, frames: [bad], owner: null }, { urgent: false }),
    ]);
    expect([good.status, refused.status]).toEqual(['fulfilled', 'rejected']);
    expect(await rows('select frames::int4 from detection_sessions')).toEqual([{ frames: 1 }]);
  });
});
