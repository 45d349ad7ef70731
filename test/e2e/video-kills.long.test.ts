import { setTimeout as pause } from 'node:timers/promises';
import { query } from '../../entities/sql.ts';
import { eventually } from '../support/eventually.ts';
import { probeFile } from '../support/frames.ts';
import { openRoom, type Room } from './room.ts';
import type { WorkerProcess } from './worker-process.ts';

const VIDEOS = 10;
const SCENES = 4;
const KILLS = 10;
const AT_ONCE = 2;
const seed = Number(process.env.SEED ?? Date.now() % 100_000);

let room: Room;
beforeAll(async () => {
  room = await openRoom({ WORKER_CPU: String(AT_ONCE), WORKER_MEMORY_MB: '8000', WORKER_DISPATCHER: 'off' });
});
afterAll(async () => {
  await room.close();
});

/** A small generator, so that a run can be repeated by its seed. */
function random(): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

type Row = {
  uuid: string;
  status: string;
  final_video_path: string | null;
  scenes: number;
  attempts: number;
  done: number;
  spread: number;
};
const rows = async (): Promise<Row[]> =>
  await query<Row>(
    room.fork(),
    `select t.uuid, t.status, t.final_video_path, t.total_scenes as scenes, coalesce(sum(v.attempts), 0)::int4 as attempts,
       (count(*) filter (where v.status = 'completed'))::int4 as done, count(v.id)::int4 as spread
     from tasks t left join videos v on v.task_id = t.uuid where t.type = 'video' group by t.uuid order by t.uuid`,
  );

test(`videos under workers that are killed again and again are all made, each scene once more at most for each kill (seed ${seed})`, async () => {
  const next = random();
  await room.worker('dispatcher', { POOL: 'default', WORKER_DISPATCHER: 'on' });
  const workers = new Map<string, WorkerProcess>();
  for (const id of ['one', 'two']) workers.set(id, await room.workerProcess(id, { POOL: 'aside' }));
  const scenes = Array.from({ length: SCENES }, (_, i) => ({ description: `scene ${i + 1}`, duration: 6 }));
  await room.submit(
    Array.from({ length: VIDEOS }, () => ({ template: 'video', parameters: { scenes, width: 640, height: 360 }, queue: 'aside' })),
  );
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(500 + next() * 2_500);
    const id = next() < 0.5 ? 'one' : 'two';
    await workers.get(id)?.kill('SIGKILL');
    workers.set(id, await room.workerProcess(id, { POOL: 'aside' }));
  }
  const made = await eventually(
    async () => {
      const found = await rows();
      expect(found.map(({ status }) => status)).toEqual(Array(VIDEOS).fill('completed'));
      return found;
    },
    { timeout_ms: 240_000, interval_ms: 500 },
  );
  for (const { done, spread, final_video_path } of made) {
    expect([done, spread]).toEqual([SCENES, SCENES]);
    const { duration } = probeFile(`${room.config().ARTIFACTS_DIR}/${final_video_path}`);
    expect(Math.abs(duration - SCENES * 6)).toBeLessThan(0.2);
  }
  const attempts = made.reduce((sum, row) => sum + row.attempts, 0);
  expect(attempts).toBeGreaterThan(VIDEOS * SCENES);
  expect(attempts).toBeLessThanOrEqual(VIDEOS * SCENES + KILLS * AT_ONCE);
  process.stderr.write(`${attempts} attempts for ${VIDEOS * SCENES} scenes under ${KILLS} kills\n`);
  await room.expectClean();
}, 420_000);
