import { randomBytes } from 'node:crypto';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { tarOf } from '../../core/tar.ts';
import { query } from '../../entities/sql.ts';
import { busyboxTar, describeWithDocker } from '../support/docker-image.ts';
import { eventually } from '../support/eventually.ts';
import { OwnDocker } from '../support/own-docker.ts';
import { Registry, SlowDoor } from '../support/registry.ts';
import { openRoom, type Room } from './room.ts';
import type { WorkerProcess } from './worker-process.ts';

const describeDocker = await describeWithDocker();
const engine = new OwnDocker();
const registry = new Registry();
const door = new SlowDoor(() => registry.port, 1e9);
let room: Room;
let worker: WorkerProcess;

type Row = {
  operation: string;
  status: string;
  message: string;
  image_id: string | null;
  error_code: string | null;
  layers: number;
  docker_id: string;
  actor: string;
};
const operate = async (parameters: Record<string, unknown>): Promise<string> =>
  (await room.submit([{ template: 'image', parameters: { worker: 'w', ...parameters } }]))[0] as string;
const rowsOf = (task: string) => query<Row>(room.fork(), 'select * from docker_image_log where task_id = $1', [task]);
const done = async (parameters: Record<string, unknown>): Promise<Row> => {
  const task = await operate(parameters);
  await room.untilTask(task, 'completed', 60_000);
  const rows = await rowsOf(task);
  expect(rows).toHaveLength(1);
  return rows[0] as Row;
};
const imageRow = async (tag: string) =>
  (
    await query<{ image_id: string; removed_at: string | null }>(
      room.fork(),
      'select image_id, removed_at from docker_image where $1 = any(repo_tags)',
      [tag],
    )
  )[0];
const has = async (image: string): Promise<boolean> =>
  await engine.docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
const upload = async (name: string, tar: Buffer) =>
  (await createFolderStore(room.config().ARTIFACTS_DIR).put(`images/${name}.tar`, tar)).key;

describeDocker('with a Docker Engine and a registry', () => {
  beforeAll(async () => {
    await Promise.all([engine.start(), registry.start(), door.open()]);
    room = await openRoom({
      WORKER_CPU: '4',
      WORKER_MEMORY_MB: '4000',
      LOST_AFTER_S: '60',
      HEARTBEAT_TIMEOUT_S: '30',
      DOCKER_HOST: engine.host,
      CONTAINER_LOGS: 'all',
    });
    worker = await room.workerProcess('w');
  }, 90_000);
  afterAll(async () => {
    await room?.close();
    await Promise.all([door.close(), registry.stop(), engine.remove()]);
  }, 60_000);

  const base = () => `${registry.address}/team/base:1`;

  test('import, tag, push, remove, pull, build and prune do what they say, each with one row from started to its end', async () => {
    const imported = await done({ operation: 'import', target: 'base:0', artifact: await upload('base', busyboxTar()) });
    expect(imported).toMatchObject({
      status: 'succeeded',
      operation: 'import',
      image_id: expect.stringMatching(/^sha256:/),
      error_code: null,
    });
    expect(imported.actor).toBe('user:admin');
    const [{ docker_id }] = (await query<{ docker_id: string }>(room.fork(), `select docker_id from workers where id = 'w'`)) as [
      { docker_id: string },
    ];
    expect(imported.docker_id).toBe(docker_id);
    expect(await imageRow('base:0')).toMatchObject({ image_id: imported.image_id, removed_at: null });

    expect(await done({ operation: 'tag', image: 'base:0', target: base() })).toMatchObject({
      status: 'succeeded',
      image_id: imported.image_id,
    });
    expect(await done({ operation: 'push', image: base() })).toMatchObject({ status: 'succeeded', layers: 1 });
    await done({ operation: 'remove', image: base() });
    await done({ operation: 'remove', image: 'base:0' });
    expect(await has(base())).toBe(false);
    expect(await imageRow(base())).toBeUndefined();

    const pulled = await done({ operation: 'pull', image: base() });
    expect(pulled).toMatchObject({ status: 'succeeded', message: `pulled ${base()}`, layers: 1 });
    expect(await imageRow(base())).toMatchObject({ image_id: pulled.image_id });

    const dockerfile = `FROM ${base()}\nCOPY greeting /greeting\nRUN ["sh", "-c", "cat /greeting"]\nCMD ["cat", "/greeting"]`;
    const built = await operate({ operation: 'build', target: 'greeter:1', dockerfile, files: { greeting: 'hello there\n' } });
    await room.untilTask(built, 'completed', 60_000);
    expect(await room.lines(built)).toContain('hello there');
    expect(await imageRow('greeter:1')).toBeDefined();

    await done({ operation: 'pull', image: base() });
    expect(await done({ operation: 'prune', all: true })).toMatchObject({
      status: 'succeeded',
      message: expect.stringMatching(/^pruned \d+ items/),
    });
    expect(await has('greeter:1')).toBe(false);
    expect(await imageRow('greeter:1')).toBeUndefined();
    await room.expectClean();
  }, 120_000);

  test('what does not exist fails with the Engine’s words and is not tried again', async () => {
    const task = await operate({ operation: 'pull', image: `${registry.address}/nothing/here:1` });
    await room.untilTask(task, 'failed', 30_000);
    const instances = await room.instances(task);
    expect(instances).toMatchObject([{ status: 'failed', code: 'image_not_found' }]);
    expect(await rowsOf(task)).toMatchObject([
      { status: 'failed', error_code: 'image_not_found', message: expect.stringMatching(/not found|manifest unknown/), image_id: null },
    ]);
    const absent = await operate({ operation: 'remove', image: 'never-heard-of:1' });
    await room.untilTask(absent, 'failed', 30_000);
    expect(await rowsOf(absent)).toMatchObject([{ status: 'failed', message: expect.stringMatching(/No such image/) }]);
  }, 60_000);

  test('a worker killed in the middle of a pull leaves one row, which the next start brings to its true end', async () => {
    const big = `127.0.0.1:${door.port}/team/big:1`;
    const noise = tarOf({ noise: randomBytes(6_000_000).toString('base64') });
    await done({ operation: 'import', target: big, artifact: await upload('big', noise) });
    await done({ operation: 'push', image: big });
    await done({ operation: 'remove', image: big });
    door.bytes_per_s = 500_000;
    const task = await operate({ operation: 'pull', image: big });
    await eventually(async () => expect(Number(((await rowsOf(task))[0] as unknown as { bytes: string })?.bytes ?? 0)).toBeGreaterThan(0), {
      timeout_ms: 30_000,
    });
    await worker.kill('SIGKILL');
    expect(await rowsOf(task)).toMatchObject([{ status: 'started' }]);
    expect(await has(big)).toBe(false);
    door.bytes_per_s = 1e9;
    worker = await room.workerProcess('w');
    await room.untilTask(task, 'completed', 60_000);
    expect(await rowsOf(task)).toMatchObject([{ status: 'succeeded', image_id: expect.any(String) }]);
    expect(await has(big)).toBe(true);
    expect((await room.instances(task)).map(({ status }) => status)).toEqual(['completed']);
  }, 120_000);

  test('a cancelled pull ends failed, at the Engine too', async () => {
    const big = `127.0.0.1:${door.port}/team/big:1`;
    await done({ operation: 'remove', image: big });
    door.bytes_per_s = 300_000;
    const task = await operate({ operation: 'pull', image: big });
    await eventually(async () => expect(await rowsOf(task)).toHaveLength(1), { timeout_ms: 30_000 });
    await room.cancel(task);
    await room.untilTask(task, 'cancelled', 30_000);
    door.bytes_per_s = 1e9;
    expect(await rowsOf(task)).toMatchObject([{ status: 'failed', error_code: 'cancelled' }]);
    expect(await has(big)).toBe(false);
  }, 60_000);

  const container = async (name: string, script: string, env: string[] = []) => {
    const made = await engine.docker.createContainer({
      name,
      Image: base(),
      Cmd: ['sh', '-c', script],
      Env: env,
      StopTimeout: 0,
      HostConfig: { NetworkMode: 'none' },
    });
    await made.start();
    return made;
  };
  const rowOf = async (id: string) =>
    (await query<Record<string, unknown>>(room.fork(), 'select * from docker_container where container_id = $1', [id]))[0];
  const segmentsOf = async (id: string) =>
    await query<{ content: string; segment_type: string; line_count: number; stream: string }>(
      room.fork(),
      'select content, segment_type, line_count, stream from container_log_segment where container_id = $1 order by line_number',
      [id],
    );

  test('containers appear by themselves with secrets masked, their logs become segments, and both stay when they are removed', async () => {
    await done({ operation: 'pull', image: base() });
    const trace = 'java.lang.IllegalStateException: boom\\n\\tat a.B.c(B.java:1)\\n\\tat a.B.d(B.java:2)';
    const made = await container('talker', `echo 'INFO: started'; printf '${trace}\\n' >&2; echo 'WARN: ending'`, [
      'DB_PASSWORD=hush',
      'URL=http://me:hush@x/',
      'PLAIN=seen',
    ]);
    await eventually(async () => expect(await rowOf(made.id)).toMatchObject({ status: 'exited', exit_code: 0 }), { timeout_ms: 20_000 });
    expect(await rowOf(made.id)).toMatchObject({
      container_name: 'talker',
      image_name: base(),
      environment: expect.objectContaining({ DB_PASSWORD: '***', URL: 'http://me:***@x/', PLAIN: 'seen' }),
    });
    const expected = [
      { content: 'INFO: started', segment_type: 'info', line_count: 1, stream: 'stdout' },
      { content: trace.replaceAll('\\n', '\n').replaceAll('\\t', '\t'), segment_type: 'error', line_count: 3, stream: 'stderr' },
      { content: 'WARN: ending', segment_type: 'warning', line_count: 1, stream: 'stdout' },
    ];
    const byText = (a: { content: string }, b: { content: string }) => (a.content < b.content ? -1 : 1);
    await eventually(async () => expect((await segmentsOf(made.id)).sort(byText)).toEqual([...expected].sort(byText)), {
      timeout_ms: 20_000,
    });
    await made.remove();
    await eventually(async () => expect(await rowOf(made.id)).toMatchObject({ status: 'removed', removed_at: expect.anything() }), {
      timeout_ms: 20_000,
    });
    expect(await segmentsOf(made.id)).toHaveLength(3);
  }, 60_000);

  test('a worker killed while it reads a log goes on where it stood: no line twice, none missing', async () => {
    const made = await container(
      'counter',
      'i=1; while [ $i -le 300 ]; do echo "INFO: line $i"; i=$((i+1)); [ $((i % 20)) -eq 0 ] && sleep 0.2; done',
    );
    await eventually(async () => expect((await segmentsOf(made.id)).length).toBeGreaterThan(30), { timeout_ms: 20_000 });
    await worker.kill('SIGKILL');
    worker = await room.workerProcess('w');
    const lines = Array.from({ length: 300 }, (_, i) => `INFO: line ${i + 1}`);
    await eventually(async () => expect((await segmentsOf(made.id)).map(({ content }) => content)).toEqual(lines), { timeout_ms: 30_000 });
    const ended = `select status from container_log_source where container_id = $1`;
    await eventually(async () => expect(await query(room.fork(), ended, [made.id])).toEqual([{ status: 'ended' }]), { timeout_ms: 20_000 });
    await made.remove();
  }, 90_000);

  test('the Engine stopped and started again: what happened meanwhile is found', async () => {
    const stays = await container('stays', 'echo ERROR: here; sleep 600');
    const goes = await container('goes', 'sleep 600');
    await eventually(async () => expect(await rowOf(goes.id)).toMatchObject({ status: 'running' }), { timeout_ms: 20_000 });
    await engine.stop();
    await engine.start();
    await goes.remove({ force: true });
    await stays.start();
    const fresh = await container('fresh', 'echo INFO: hello');
    await eventually(
      async () => {
        expect(await rowOf(goes.id)).toMatchObject({ status: 'removed' });
        expect(await rowOf(stays.id)).toMatchObject({ status: 'running' });
        expect((await segmentsOf(fresh.id)).map(({ content }) => content)).toEqual(['INFO: hello']);
        expect((await segmentsOf(stays.id)).map(({ content }) => content)).toEqual(['ERROR: here', 'ERROR: here']);
      },
      { timeout_ms: 60_000 },
    );
    for (const one of [stays, fresh]) await one.remove({ force: true });
  }, 120_000);

  test('the output of a docker task becomes segments of its container, for its owner', async () => {
    const [uuid] = await room.submit([
      {
        template: 'docker',
        parameters: { image: base(), command: ['sh', '-c', 'echo "ERROR: from a task"; echo plain'], network: 'none', pull: 'never' },
      },
    ]);
    await room.untilTask(uuid as string, 'completed', 30_000);
    const [instance] = await room.instances(uuid as string);
    const found = () =>
      query(
        room.fork(),
        'select content, segment_type, user_id::int as user_id from container_log_segment where runid = $1 order by line_number',
        [instance?.runid],
      );
    await eventually(
      async () =>
        expect(await found()).toEqual([
          { content: 'ERROR: from a task', segment_type: 'error', user_id: 1 },
          { content: 'plain', segment_type: 'info', user_id: 1 },
        ]),
      { timeout_ms: 20_000 },
    );
    const result = (await room.task(uuid as string)).result as { container_id: string };
    const ids = await query<{ container_id: string }>(
      room.fork(),
      'select distinct container_id from container_log_segment where runid = $1',
      [instance?.runid],
    );
    expect([`orch-${instance?.runid}`, result.container_id]).toContain(ids[0]?.container_id);
  }, 60_000);
});
