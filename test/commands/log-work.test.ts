import { aloneAtInstance, instancesLeftOut, instancesToRead } from '../../commands/log-work.ts';
import { openLogSource } from '../../commands/open-log-source.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, makeUser, makeWorld, startTask } from '../support/factories.ts';

describe('the output of docker tasks', () => {
  let db: TestDatabase;
  const fork = (): Em => db.orm.em.fork() as Em;

  /** An instance of a docker task that was made and ended so long ago. */
  async function instance(age: string, ended: string | null): Promise<string> {
    const { runid } = await startTask(contextOf(fork(), await actor), { claimed: true });
    await query(fork(), `update tasks set type = 'docker' where uuid = (select task_id from instances where runid = $1)`, [runid]);
    await query(
      fork(),
      `update instances set created_at = now() - $2::interval, status = case when $3::text is null then status else 'lost' end,
         end_time = now() - $3::interval where runid = $1`,
      [runid, age, ended],
    );
    return runid;
  }
  let actor: ReturnType<typeof makeUser>;
  const runids = (readings: { runid: string }[]): string[] => readings.map(({ runid }) => runid);

  beforeAll(async () => {
    db = await createTestDatabase();
    await makeWorld(fork());
    actor = makeUser(fork(), 'reader');
    await actor;
  });
  afterAll(() => db.drop());

  test('whose worker has gone is read by another, however long ago it was made, and taken up where it was begun', async () => {
    const lost = await instance('5 days', '3 days');
    const since = new Date(Date.now() - 30 * 86_400_000);
    expect(runids(await instancesToRead(fork(), 'other'))).toEqual([]);
    const [left] = await instancesLeftOut(fork(), since);
    expect(left).toMatchObject({ runid: lost, ended: true });
    expect(await instancesLeftOut(fork(), new Date(Date.now() - 86_400_000))).toEqual([]);
    const source = await openLogSource(fork(), (left as { spec: Parameters<typeof openLogSource>[1] }).spec);
    expect(await instancesLeftOut(fork(), since)).toEqual([]);
    expect(runids(await instancesToRead(fork(), 'other'))).toEqual([lost]);
    await query(fork(), `update container_log_source set status = 'ended' where id = $1`, [source.id]);
    expect(await instancesToRead(fork(), 'other')).toEqual([]);
    expect(await instancesLeftOut(fork(), since)).toEqual([]);
  });

  test('that runs for days is read by its own worker only, and keeps its source when its container becomes known', async () => {
    const running = await instance('5 days', null);
    const [{ worker }] = (await query<{ worker: string }>(fork(), 'select worker from instances where runid = $1', [running])) as [
      { worker: string },
    ];
    expect(await instancesToRead(fork(), worker)).toEqual([]);
    await query(
      fork(),
      `insert into docker_container (docker_id, container_id, container_name, image_id, image_name, status, runid) values ('d', 'c1', 'one', 'i', 'i', 'running', $1)`,
      [running],
    );
    expect(await instancesToRead(fork(), worker)).toMatchObject([{ runid: running, ended: false, spec: { container_id: 'c1' } }]);
    expect(await instancesToRead(fork(), 'other')).toEqual([]);
  });

  test('is read by one worker at a time', async () => {
    let inner: boolean | null = null;
    const outer = await aloneAtInstance(fork(), 'x', async () => {
      inner = await aloneAtInstance(fork(), 'x', () => Promise.reject(new Error('not alone')));
    });
    expect([outer, inner]).toEqual([true, false]);
    expect(await aloneAtInstance(fork(), 'x', () => Promise.resolve())).toBe(true);
  });
});
