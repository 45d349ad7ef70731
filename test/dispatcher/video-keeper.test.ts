import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ArtifactStore } from '../../artifacts/artifact-store.ts';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { VideoKeeper } from '../../dispatcher/video-keeper.ts';
import { noteFile } from '../../engines/video/rows.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { makeVideoTask, makeVideoWorld } from '../support/video.ts';

let db: TestDatabase;
let folder: string;
let store: ArtifactStore;
let user_id: number;
let task_id: string;
beforeAll(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'keeper-'));
  store = createFolderStore(folder);
  user_id = (await makeVideoWorld(db.em as Em)).id;
  task_id = await makeVideoTask(db.em as Em);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await db.drop();
});

const fork = () => db.orm.em.fork() as Em;
const warnings: unknown[] = [];
const keeperOf = (artifacts: ArtifactStore) =>
  new VideoKeeper({
    fork,
    database_url: db.url,
    artifacts,
    logger: { info: () => undefined, warn: ({ err }: { err: unknown }) => void warnings.push(err) } as never,
  });
const notes = async () => (await query<{ key: string }>(fork(), 'select key from video_files order by key')).map(({ key }) => key);

async function file(key: string, owner: string | null = null): Promise<void> {
  await store.put(key, 'x');
  await query(fork(), 'insert into video_files (task_id, user_id, key, bytes) values ($1, $2, $3, 1)', [owner, user_id, key]);
}

it('removes files without a task, their notes, and no others', async () => {
  await file('videos/a/1.mp4');
  await file('videos/b/1.mp4', task_id);
  await query(fork(), `insert into video_files (user_id, key, bytes) values ($1, 'videos/c/never-stored.mp4', 1)`, [user_id]);
  await keeperOf(store).tick();
  expect(await notes()).toEqual(['videos/b/1.mp4']);
  expect(await store.stat('videos/a/1.mp4')).toBeNull();
  expect(await store.stat('videos/b/1.mp4')).not.toBeNull();
});

it('keeps the note of a file that cannot be removed, goes on with the others, and says so once', async () => {
  await file('videos/d/bad.mp4');
  await file('videos/d/good.mp4');
  const stubborn: ArtifactStore = {
    ...store,
    remove: async (key) => {
      if (key.includes('bad')) throw new Error('not permitted');
      return await store.remove(key);
    },
  };
  const keeper = keeperOf(stubborn);
  await keeper.tick();
  await keeper.tick();
  expect(await notes()).toEqual(['videos/b/1.mp4', 'videos/d/bad.mp4']);
  expect(warnings).toMatchObject([{ message: 'not permitted' }]);
  await keeperOf(store).tick();
  expect(await notes()).toEqual(['videos/b/1.mp4']);
});

it('never removes a file that is stored again at the same moment', async () => {
  const key = 'videos/e/1.mp4';
  await file(key);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  let removing = false;
  const slow: ArtifactStore = {
    ...store,
    remove: async (name) => {
      removing = true;
      await held;
      return await store.remove(name);
    },
  };
  const tick = keeperOf(slow).tick();
  await eventually(() => expect(removing).toBe(true));
  const again = fork()
    .transactional((tx) => noteFile(tx as Em, { task_id, user_id, key, bytes: 1 }, 10))
    .then(() => store.put(key, 'again'));
  release();
  await Promise.all([tick, again]);
  expect((await store.stat(key))?.size).toBe(5);
  expect(await notes()).toContain(key);
});

it('stores the statistics of days that have changed', async () => {
  await query(fork(), `update tasks set created_at = now() - interval '3 days', status = 'failed', completed_at = now() where uuid = $1`, [
    task_id,
  ]);
  await keeperOf(store).tick();
  const rows = await query(fork(), 'select total_tasks, failed_tasks, settled from statistics where total_tasks > 0');
  expect(rows).toEqual([{ total_tasks: 1, failed_tasks: 1, settled: true }]);
});
