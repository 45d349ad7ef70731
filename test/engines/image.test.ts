import type Docker from 'dockerode';
import type { EngineInstance } from '../../engines/define-engine.ts';
import { registryPolicy } from '../../engines/docker/registry-policy.ts';
import type { ImageOperation } from '../../engines/image/parameters.ts';
import { runImage } from '../../engines/image/run.ts';
import type { Em } from '../../entities/sql.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { busyboxTar, describeWithDocker, ensureTestImage, TEST_IMAGE, testDocker } from '../support/docker-image.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';

const describeDocker = await describeWithDocker();
const TARGET = `orchestrator-test/ends-${process.pid}:1`;

describeDocker('operations on images end as their row says', () => {
  let db: TestDatabase;
  let run: TestRun;
  const docker = testDocker();
  const em = (): Em => db.orm.em.fork() as Em;
  const begin = async (instance: Partial<EngineInstance> = {}) => {
    run = await engineRun({ em, instance });
    return run.context;
  };
  const operate = async (parameters: Record<string, unknown>, changes: { client?: Docker; registries?: string[] } = {}) => {
    const policy = registryPolicy({ IMAGE_REGISTRIES: changes.registries ?? [] });
    const host = { client: { docker: changes.client ?? docker, address: 'test' }, worker: 'w', policy };
    const outcome = await runImage(host, { worker: 'w', ...parameters } as ImageOperation, run.context);
    const [row] = await query<{ status: string; image_id: string | null; error_code: string | null; message: string }>(
      em(),
      'select status, image_id, error_code, message from docker_image_log where task_id = $1',
      [run.context.instance.task_id],
    );
    return { status: outcome.status, row };
  };
  /** The Engine with some of its methods otherwise. */
  const engineWith = (changes: Partial<Record<keyof Docker, unknown>>): Docker =>
    new Proxy(docker, {
      get: (target, name) => {
        const value = name in changes ? changes[name as keyof Docker] : target[name as keyof Docker];
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });

  beforeAll(async () => {
    db = await createTestDatabase();
    await ensureTestImage();
  });
  afterEach(async () => {
    await run.close();
    await docker
      .getImage(TARGET)
      .remove({ force: true })
      .catch(() => undefined);
  });
  afterAll(() => db.drop());

  test('an import keeps its upload until its end is stored; the execution after one that was killed then finds the image', async () => {
    const context = await begin();
    const { key } = await context.artifacts.put('images/base.tar', busyboxTar());
    const first = await operate({ operation: 'import', target: TARGET, artifact: key });
    expect(first).toMatchObject({ status: 'completed', row: { status: 'succeeded', image_id: expect.stringMatching(/^sha256:/) } });
    await expect(context.artifacts.open(key)).rejects.toThrow();
    context.instance.execution = 2;
    const again = await operate({ operation: 'import', target: TARGET, artifact: key });
    expect(again).toMatchObject({ status: 'completed', row: { status: 'succeeded', image_id: first.row?.image_id } });
  }, 60_000);

  test('an import without its upload and without its image fails', async () => {
    await begin({ execution: 2 });
    expect(await operate({ operation: 'import', target: TARGET, artifact: 'images/nothing.tar' })).toMatchObject({
      status: 'failed',
      row: { status: 'failed', error_code: 'not_found' },
    });
  }, 60_000);

  test('a comparison that fails after the operation does not make it fail', async () => {
    await begin();
    const client = engineWith({ listImages: () => Promise.reject(new Error('hiccup')) });
    expect(await operate({ operation: 'tag', image: TEST_IMAGE, target: TARGET }, { client })).toMatchObject({
      status: 'completed',
      row: { status: 'succeeded' },
    });
  }, 60_000);

  test('a removal whose answer was lost is done when the image is gone', async () => {
    await docker.getImage(TEST_IMAGE).tag({ repo: TARGET.slice(0, -2), tag: '1' });
    await begin();
    const client = engineWith({
      getImage: (name: string) => {
        const image = docker.getImage(name);
        const remove = image.remove.bind(image);
        image.remove = (async (options: never) => {
          await remove(options);
          throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
        }) as never;
        return image;
      },
    });
    expect(await operate({ operation: 'remove', image: TARGET, force: false }, { client })).toMatchObject({
      status: 'completed',
      row: { status: 'succeeded', image_id: expect.stringMatching(/^sha256:/), message: `${TARGET} was gone already` },
    });
  }, 60_000);

  test('a build takes images from listed registries only, and adds no addresses', async () => {
    const build = async (dockerfile: string, registries: string[]) => {
      await begin();
      const parameters = { operation: 'build', target: TARGET, dockerfile, files: {}, arguments: {}, network: 'none' };
      return (await operate(parameters, { registries })).row;
    };
    for (const dockerfile of [
      'FROM internal:5000/x',
      'FROM scratch\nCOPY --from=internal:5000/x / /',
      '# syntax=internal:5000/x\nFROM scratch',
      'ARG X=a\nFROM $X',
    ])
      expect([dockerfile, await build(dockerfile, ['registry.example'])]).toMatchObject([
        dockerfile,
        { status: 'failed', error_code: 'forbidden' },
      ]);
    expect(await build('FROM scratch\nADD http://127.0.0.1:1/x /x', [])).toMatchObject({ status: 'failed', error_code: 'forbidden' });
    expect(await build(`FROM ${TEST_IMAGE}\nCMD ["true"]`, ['docker.io'])).toMatchObject({ status: 'succeeded' });
  }, 60_000);
});
