import { randomUUID } from 'node:crypto';
import type { Container } from 'dockerode';
import { pino } from 'pino';
import { openLogSource } from '../../commands/open-log-source.ts';
import { LABEL } from '../../engines/docker/container-spec.ts';
import { syncContainer } from '../../engines/docker/sync-containers.ts';
import { type Em, query } from '../../entities/sql.ts';
import { LogFollower } from '../../worker/log-follower.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { describeWithDocker, ensureTestImage, TEST_IMAGE, testDocker } from '../support/docker-image.ts';

const describeDocker = await describeWithDocker();

describeDocker('logs of containers', () => {
  let db: TestDatabase;
  const docker = testDocker();
  const made: Container[] = [];
  const fork = (): Em => db.orm.em.fork() as Em;
  const start = async (script: string, changes: { Tty?: boolean; Env?: string[]; Labels?: Record<string, string> } = {}) => {
    const options = { Image: TEST_IMAGE, Cmd: ['sh', '-c', script], HostConfig: { NetworkMode: 'none' }, ...changes };
    const container = await docker.createContainer(options);
    made.push(container);
    await container.start();
    return container;
  };
  const read = async ({ id }: Container) => {
    const spec = { container_id: id, container_name: id, docker_id: 'd', kind: 'container' as const, identity: 'container', runid: null };
    const source = await openLogSource(fork(), { ...spec, user_id: null, requested_by: 'test' });
    await new LogFollower({ docker, fork, logger: pino({ level: 'silent' }) }, source).closed;
    const sql = 'select content, stream, length(content) as length from container_log_segment where container_id = $1 order by line_number';
    return await query<{ content: string; stream: string; length: number }>(fork(), sql, [id]);
  };

  beforeAll(async () => {
    db = await createTestDatabase();
    await ensureTestImage();
  });
  afterAll(async () => {
    for (const container of made) await container.remove({ force: true });
    await db.drop();
  });

  test.each([false, true])(
    'the last line is stored without a newline at its end (terminal: %s)',
    async (Tty) => {
      const container = await start('echo ERROR: first; printf "fatal: no disk"; exit 1', { Tty });
      await container.wait();
      expect((await read(container)).map(({ content }) => content)).toEqual(['ERROR: first', 'fatal: no disk']);
    },
    60_000,
  );

  test.each([false, true])(
    'a line without an end is cut and nothing of it is lost (terminal: %s)',
    async (Tty) => {
      const container = await start('head -c 20000000 /dev/zero | tr "\\0" x', { Tty });
      await container.wait();
      const rows = await read(container);
      expect(rows.length).toBeGreaterThan(1);
      expect(rows.reduce((sum, { length }) => sum + length, 0)).toBe(20_000_000);
    },
    120_000,
  );

  test('of the environment of a task only the names are stored', async () => {
    const task = await start('true', { Env: ['DB_URL2=hush', 'PLAIN=seen'], Labels: { [LABEL.runid]: randomUUID() } });
    const other = await start('true', { Env: ['HOOK=https://hooks.example.com/hush', 'PLAIN=seen'] });
    const environment = async (id: string) => (await syncContainer(fork(), docker, { docker_id: 'd', id }))?.environment;
    expect(await environment(task.id)).toMatchObject({ DB_URL2: '***', PLAIN: '***' });
    expect(await environment(other.id)).toMatchObject({ HOOK: 'https://hooks.example.com/***', PLAIN: 'seen' });
    expect(await query(fork(), `select 1 from docker_container where environment::text like '%hush%'`)).toEqual([]);
  }, 60_000);
});
