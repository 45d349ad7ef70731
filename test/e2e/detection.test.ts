import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithTracks, tudCampusLines } from '../support/track-files.ts';
import { openRoom, type Room } from './room.ts';
import { openRoomApi, type RoomApi } from './room-api.ts';

const EVERYBODY = { kind: 'all', violation_type: 'no_hairnet' };

let room: Room;
let api: RoomApi;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: '4', WORKER_MEMORY_MB: '8000', LOST_AFTER_S: '60' });
  api = await openRoomApi(room);
});
afterAll(async () => {
  await room.close();
});

const replay = (camera_id: string, more: object = {}) => ({
  camera_id,
  source: { kind: 'text', text: tudCampusLines().join('\n') },
  detector: { kind: 'replay', ...more },
  classifier: EVERYBODY,
});
const submit = async (parameters: object, queue = 'default'): Promise<string> => {
  const answer = await api.post('/tasks').send({ template: 'detection', parameters, queue });
  expect([answer.status, answer.body.detail]).toEqual([201, undefined]);
  return answer.body.uuid;
};
const items = async (path: string) => (await api.get(path)).body.items as Record<string, unknown>[];
const EXPECTED = {
  frames: 71,
  sampled_records: 8,
  sampled_persons: 40,
  person_frames: 359,
  violating_person_frames: 359,
  violations: 8,
  compliance: 0,
};

describeWithTracks('TUD-Campus through the whole system', () => {
  it('has 8 sampled records with 40 persons, 359 person-frames and 8 violations, one alert and seven suppressed; replayed again nothing is new', async () => {
    await room.worker('w1');
    const first = await room.untilTask(await submit(replay('campus')), 'completed', 60_000);
    expect(first.result).toMatchObject({ ...EXPECTED, frames_new: 71 });
    const seen = async () => [
      (await items('/records?camera_id=campus&saved_for=sample')).map(({ person_count }) => person_count),
      (await items('/violations?camera_id=campus')).map(({ track_id }) => track_id).toSorted(),
      (await items('/detections/statistics?camera_id=campus')).map((hour) => [
        hour.total_frames,
        hour.person_frames,
        hour.violations_opened,
      ]),
    ];
    const before = await seen();
    expect(before).toMatchObject([{ length: 8 }, ['1', '2', '3', '4', '5', '6', '7', '8'], [[71, 359, 8]]]);
    expect((before[0] as number[]).reduce((sum, n) => sum + n, 0)).toBe(40);
    await eventually(async () => expect(await items('/alerts/history?camera_id=campus&delivery=sent')).toHaveLength(2), {
      timeout_ms: 20_000,
    });
    const history = await items('/alerts/history?camera_id=campus');
    const of = (name: string) => history.filter(({ rule_name }) => rule_name === name).map(({ delivery }) => delivery);
    expect(of('no-hairnet').toSorted()).toEqual(['sent', ...Array(7).fill('suppressed')]);
    expect(of('many-violations').toSorted()).toEqual(['sent', ...Array(7).fill('suppressed')]);
    const again = await room.untilTask(await submit(replay('campus')), 'completed', 60_000);
    expect(again.result).toMatchObject({ ...EXPECTED, frames_read: 71, frames_new: 0 });
    expect(await seen()).toEqual(before);
    await room.expectClean();
  }, 120_000);

  it('comes to the same when the worker is killed in the middle', async () => {
    const first = await room.workerProcess('killed', { POOL: 'aside', WORKER_DISPATCHER: 'off' });
    const uuid = await submit(replay('killed', { speed: 0.5 }), 'aside');
    const stored = `select 1 from detection_sessions where camera_id = 'killed' and frames between 10 and 60`;
    await eventually(async () => expect(await query(room.fork(), stored)).toHaveLength(1), { timeout_ms: 60_000, interval_ms: 20 });
    await first.kill('SIGKILL');
    await room.workerProcess('killed', { POOL: 'aside', WORKER_DISPATCHER: 'off' });
    const task = await room.untilTask(uuid, 'completed', 60_000);
    expect(task.result).toMatchObject(EXPECTED);
    expect((task.result as { frames_new: number }).frames_new).toBeLessThan(71);
    expect((await room.instances(uuid)).map(({ status }) => status)).toEqual(['completed']);
    await room.expectClean();
  }, 120_000);
});
