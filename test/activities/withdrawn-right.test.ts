import { runInstance } from '../../activities/run-instance.ts';
import { claimInstance } from '../../commands/claim-instance.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, makeTemplate, makeUser, makeWorld, startTask, taskRow, testEngines } from '../support/factories.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await makeWorld(db.em);
  await makeTemplate(db.em, 'script', { engine: 'shell' });
});
afterAll(() => db.drop());

const boot_id = '00000000-0000-4000-8000-000000000001';

/** What a worker would do with an admitted instance; the engine must not be reached. */
function deps(): Parameters<typeof runInstance>[0] {
  const claimer = { claim: (item: Parameters<typeof claimInstance>[1]) => claimInstance(db.em, { ...item, worker: 'w', boot_id }) };
  const finisher = {
    finish: async (item: Parameters<typeof finishInstances>[1][number]) => (await finishInstances(db.em, [item], 'worker:w')).length > 0,
  };
  const parts = { claimer, finisher, engineOf: testEngines.byKind, worker: 'w', fork: () => db.em };
  return parts as unknown as Parameters<typeof runInstance>[0];
}

describe('a waiting task whose user may no longer run it', () => {
  it.each([
    ['the right was withdrawn', `rights = '{}'`],
    ['the user was deactivated', 'is_active = false'],
  ])('fails instead of running its command: %s', async (why, change) => {
    const user = await makeUser(db.em, `sam-${why.length}`, { rights: ['shell'] });
    const { runid, task } = await startTask(contextOf(db.em, user), { claimed: false, item: { template: 'script' } });
    await query(db.em, `update users set ${change} where id = $1`, [user.id]);
    const opened: unknown[] = [];
    const report = await runInstance(deps(), { runid, execution: 1, temporal_run_id: 'run' }, (run) => void opened.push(run));
    expect(report).toMatchObject({ status: 'failed', code: 'forbidden' });
    expect(opened).toEqual([]);
    expect(await taskRow(db.em, task.uuid)).toMatchObject({ status: 'failed', error: { code: 'forbidden' } });
  });
});
