import { existsSync } from 'node:fs';
import path from 'node:path';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { makeDetectionEngine, openDetectionRun, runDetectionTask } from '../support/detection-runs.ts';
import { makeWorld } from '../support/factories.ts';

/** 79.5 s of pedestrians at 10 frames a second: part of Debian's package opencv-doc; PEDESTRIANS names another copy. */
const VIDEO = process.env.PEDESTRIANS ?? '/usr/share/doc/opencv-doc/examples/data/vtest.avi';
const heavy = existsSync(VIDEO) ? it : it.skip;

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await makeWorld(db.em);
});
afterAll(() => db.drop());

heavy(
  'finds persons in at least 95 of 100 pictures of a street, one a second',
  async () => {
    const run = await openDetectionRun(db);
    const parameters = {
      camera_id: 'street',
      source: { kind: 'file', path: VIDEO },
      detector: { kind: 'person', fps: 1 },
      save_interval: 1,
    };
    const begun = performance.now();
    const outcome = await runDetectionTask(makeDetectionEngine([path.dirname(VIDEO)]), run, parameters);
    const [found] = await query<{ n: number; with_persons: number; persons: number; ms: number }>(
      db.em,
      `select count(*)::int4 as n, count(*) filter (where person_count >= 1)::int4 as with_persons, avg(person_count)::float8 as persons,
       percentile_cont(0.5) within group (order by processing_ms) as ms from detection_records`,
    );
    process.stdout.write(`${JSON.stringify({ ...found, seconds: Math.round((performance.now() - begun) / 1_000) })}\n`);
    expect(outcome).toMatchObject({ status: 'completed' });
    expect([79, 80]).toContain(found?.n);
    expect((found?.with_persons ?? 0) / (found?.n ?? 1)).toBeGreaterThanOrEqual(0.95);
  },
  600_000,
);
