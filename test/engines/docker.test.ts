import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { EngineError } from '../../core/errors.ts';
import { createDockerEngine } from '../../engines/docker/index.ts';
import { describeWithDocker, ensureTestImage, TEST_IMAGE, testDocker } from '../support/docker-image.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';

const describeDocker = await describeWithDocker();
const config = { DOCKER_HOST: undefined, OUTBOUND_ALLOW: ['127.0.0.1'], TASK_LOG_CAP_BYTES: 10_485_760 };
const worker = `test-${process.pid}`;
const engine = createDockerEngine(config, worker);
const docker = testDocker();
const logger = pino({ level: 'silent' });
const sh = (script: string) => ({ image: TEST_IMAGE, command: ['sh', '-c', script], network: 'none', pull: 'never' });
const inspectOf = (runid: string) => docker.getContainer(`orch-${runid}`).inspect();
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

type Options = Parameters<typeof engineRun>[0];
async function start(parameters: Record<string, unknown>, options: Options = {}, by = engine) {
  const run = await engineRun(options);
  const work = by.run(by.parameters.parse(parameters), run.context);
  work.catch(() => undefined);
  return { run, work, runid: run.context.instance.runid };
}
async function docked(parameters: Record<string, unknown>, options: Options = {}) {
  const { run, work, runid } = await start(parameters, options);
  const outcome = await work.finally(() => run.close());
  return { outcome, run, runid };
}
const said = (run: TestRun, line: string) => eventually(() => expect(run.of('stdout')).toContain(line), { timeout_ms: 20_000 });

describe('docker parameters', () => {
  const forbidden = [
    'privileged',
    'binds',
    'mounts',
    'volumes',
    'devices',
    'cap_add',
    'security_opt',
    'pid',
    'ipc',
    'ports',
    'HostConfig',
    'labels',
    'runtime',
  ];
  test.each(forbidden)('%s cannot be asked for', (key) => {
    expect(engine.parameters.safeParse({ image: 'x', [key]: true }).error?.message).toMatch(/Unrecognized key/);
  });
  test.each([
    { image: '' },
    { image: '-x' },
    { image: 'a b' },
    { image: 'x', network: 'host' },
    { image: 'x', network: 'container:abc' },
    { image: 'x', working_dir: 'relative' },
    { image: 'x', user: 'a b' },
    { image: 'x', command: 'not a list' },
    { image: 'x', env: { 'A=B': '1' } },
    {},
  ])('refuses %j', (parameters) => expect(engine.parameters.safeParse(parameters).success).toBe(false));
});

describe('docker without a daemon', () => {
  const nowhere = createDockerEngine({ ...config, DOCKER_HOST: 'unix:///no/such/docker.sock' }, worker);
  test('is not available, and says where it looked', async () => {
    expect(await nowhere.available()).toEqual({ ok: false, reason: expect.stringContaining('unix:///no/such/docker.sock') });
  });
  test('its sweep does nothing', async () => expect(await nowhere.sweep?.(new Set(), logger)).toBeUndefined());
  test('an address of an unknown kind is refused', () => {
    expect(() => createDockerEngine({ ...config, DOCKER_HOST: 'ssh://x' }, worker)).toThrow(/expected unix/);
  });
});

describeDocker('docker engine', () => {
  beforeAll(async () => void (await ensureTestImage()));
  afterAll(async () => await engine.sweep?.(new Set(), logger));

  test('is available', async () => expect(await engine.available()).toEqual({ ok: true }));

  test('runs a container, tells its streams apart, and removes it', async () => {
    const { outcome, run, runid } = await docked({
      ...sh('echo out; echo err >&2; echo "$A in $PWD"'),
      env: { A: 'b' },
      working_dir: '/tmp',
    });
    expect(outcome).toMatchObject({
      status: 'completed',
      result: { exit_code: 0, oom_killed: false, image_id: expect.stringMatching(/^sha256:/) },
    });
    expect([run.of('stdout'), run.of('stderr')]).toEqual([['out', 'b in /tmp'], ['err']]);
    await expect(inspectOf(runid)).rejects.toMatchObject({ statusCode: 404 });
    expect(engine.result.safeParse(outcome.result).success).toBe(true);
  });

  test('has a network of its own by default, and none when it asks for none', async () => {
    const script = 'ls /sys/class/net';
    expect((await docked({ image: TEST_IMAGE, command: ['sh', '-c', script] })).run.of('stdout')).toEqual(['eth0', 'lo']);
    expect((await docked(sh(script))).run.of('stdout')).toEqual(['lo']);
  });

  test('a secret in the environment arrives, and one that is not granted ends the run before there is a container', async () => {
    const env = { S: { secret: 'pw' } };
    expect((await docked({ ...sh('printf %s "$S" | wc -c'), env }, { secrets: { pw: 'hunter2' } })).run.of('stdout')).toEqual(['7']);
    const { run, work, runid } = await start({ ...sh('echo never'), env });
    await expect(work).rejects.toMatchObject({ code: 'not_found' });
    await expect(inspectOf(runid)).rejects.toMatchObject({ statusCode: 404 });
    await run.close();
  });

  test('all of 2,000 lines and an unfinished last one arrive, also from a container that is gone at once', async () => {
    const { run } = await docked(sh('seq 1 2000; printf end'));
    expect(run.of('stdout')).toEqual([...numbers(1, 2000), 'end']);
  });

  test('a line of 200 KB arrives whole', async () => {
    const { run } = await docked(sh('head -c 200000 /dev/zero | tr "\\0" x; echo; echo next'));
    expect([run.of('stdout').slice(0, -1).join('').length, run.of('stdout').at(-1)]).toEqual([200_000, 'next']);
  });

  test('an exit code other than 0 fails the task', async () => {
    expect((await docked(sh('exit 7'))).outcome).toMatchObject({
      status: 'failed',
      code: 'exit_code',
      error: { details: { exit_code: 7 } },
    });
  });

  test('an image that is not there fails the task and says so', async () => {
    const { outcome } = await docked({ image: 'no-such-image-here:1', pull: 'never' });
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'image_not_found',
      error: { message: expect.stringContaining('"no-such-image-here:1"') },
    });
  });

  test('an image that cannot be pulled fails the task and says why', async () => {
    const { outcome } = await docked({ image: '127.0.0.1:1/no/such:1' });
    expect(outcome).toMatchObject({ code: 'image_not_found', error: { message: expect.stringContaining('could not be pulled') } });
  });

  test('a program that is not in the image fails the task, and the container is removed', async () => {
    const { outcome, run, runid } = await docked({ image: TEST_IMAGE, command: ['/no/such'], network: 'none' });
    expect(`${JSON.stringify(outcome.error)} ${run.of('stderr').join()}`).toMatch(/start_failed|exit code 127/);
    expect(`${outcome.error?.message} ${run.of('stderr').join()}`).toContain('/no/such');
    await expect(inspectOf(runid)).rejects.toMatchObject({ statusCode: 404 });
  });

  test('limits equal the grant, and nothing but what is allowed is set', async () => {
    const { run, work, runid } = await start(sh('echo ready; sleep 60'), { instance: { cpu: 0.25, memory_mb: 48, attempt: 2 } });
    await said(run, 'ready');
    const { HostConfig, Config, Name, Mounts } = await inspectOf(runid);
    expect(HostConfig).toMatchObject({
      NanoCpus: 250_000_000,
      Memory: 48 * 1024 ** 2,
      MemorySwap: 48 * 1024 ** 2,
      PidsLimit: 512,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      Binds: null,
      NetworkMode: 'none',
      RestartPolicy: { Name: 'no' },
    });
    expect(Name).toBe(`/orch-${runid}`);
    expect(Mounts).toEqual([]);
    expect(Config.Labels).toMatchObject({
      'orchestrator.task': run.context.instance.task_id,
      'orchestrator.runid': runid,
      'orchestrator.attempt': '2',
      'orchestrator.worker': worker,
    });
    run.stop('cancel');
    await work;
    await run.close();
  });

  test('a shell in the foreground of a child ends at once too, where the daemon has an init process', async () => {
    const { Components } = await docker.version();
    const init = Components?.find((component) => component.Name === 'docker-init')?.Version ?? 'N/A';
    const { run, work, runid } = await start(sh('echo ready; sleep 60'));
    await said(run, 'ready');
    expect((await inspectOf(runid)).HostConfig.Init ?? false).toBe(init !== 'N/A');
    const before = performance.now();
    run.stop('cancel');
    await work;
    expect(performance.now() - before).toBeLessThan(init === 'N/A' ? 8_000 : 2_000);
    await run.close();
  });

  test('more memory than granted ends it as oom', async () => {
    const { outcome } = await docked(sh('x=a; while :; do x=$x$x; done'), { instance: { memory_mb: 16 } });
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'oom',
      error: { details: { oom_killed: true }, message: expect.stringContaining('16 MB') },
    });
  });

  test.each(['cancel', 'timeout'] as const)(
    '%s ends it within a second when it listens, keeps its last words and removes it',
    async (reason) => {
      const { run, work, runid } = await start(sh('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done'));
      await said(run, 'ready');
      const before = performance.now();
      run.stop(reason);
      expect(await work).toMatchObject({ status: reason === 'cancel' ? 'cancelled' : 'timed_out' });
      expect(performance.now() - before).toBeLessThan(1_500);
      expect(run.of('stdout')).toContain('bye');
      await expect(inspectOf(runid)).rejects.toMatchObject({ statusCode: 404 });
      await run.close();
    },
  );

  test('what ignores SIGTERM is killed after the grace', async () => {
    const { run, work } = await start(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'));
    await said(run, 'ready');
    const before = performance.now();
    run.stop('cancel');
    expect((await work).status).toBe('cancelled');
    expect(performance.now() - before).toBeGreaterThan(4_500);
    expect(performance.now() - before).toBeLessThan(8_000);
    await run.close();
  });

  test('a repeated execution goes on with the same container, and every line is stored once, in order', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'docker-run-'));
    const script = 'for i in $(seq 1 2000); do echo $i; [ $((i % 40)) = 0 ] && echo e$i >&2 && sleep 0.05; done; exit 0';
    const first = await start(sh(script), { folder });
    await said(first.run, '700');
    const { Id, State } = await inspectOf(first.runid);
    first.run.stop('shutdown');
    await expect(first.work).rejects.toMatchObject({ code: 'superseded' });
    const stored = first.run.lines.filter((line) => line.stream !== 'system');
    expect((await inspectOf(first.runid)).State).toMatchObject({ Running: true, StartedAt: State.StartedAt });
    const again = { ...first.run.context.instance, execution: 2 };
    const second = await docked(sh(script), { folder, instance: again, lines_before: stored.length });
    expect(second.outcome).toMatchObject({ status: 'completed', result: { container_id: Id } });
    const all = [...stored, ...second.run.lines];
    expect(all.filter((line) => line.stream === 'stdout').map((line) => line.text)).toEqual(numbers(1, 2000));
    expect(all.filter((line) => line.stream === 'stderr')).toHaveLength(50);
    await rm(folder, { recursive: true });
  });

  test('what a service that is no registry answered is not shown', async () => {
    const server = http.createServer((_req, res) => res.writeHead(404).end('{"internal": "hush-hush"}'));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as net.AddressInfo;
    const { outcome } = await docked({ image: `127.0.0.1:${port}/x:1`, pull: 'always' });
    server.close();
    expect(outcome).toMatchObject({ status: 'failed', code: 'image_not_found' });
    expect(JSON.stringify(outcome)).not.toContain('hush-hush');
  });

  test('an execution that goes on with a container asks for its secrets again, so that they stay masked', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'docker-run-'));
    const parameters = { ...sh('echo ready; sleep 2; echo done'), env: { TOKEN: { secret: 'token' } } };
    const first = await start(parameters, { folder, secrets: { token: 'hush-hush' } });
    await said(first.run, 'ready');
    first.run.stop('shutdown');
    await expect(first.work).rejects.toMatchObject({ code: 'superseded' });
    const asked: string[] = [];
    const again = await engineRun({ folder, instance: { ...first.run.context.instance, execution: 2 }, lines_before: 1 });
    const secret = async (name: string) => {
      asked.push(name);
      throw new EngineError('not_found', 'deleted meanwhile');
    };
    const outcome = await engine.run(engine.parameters.parse(parameters), { ...again.context, secret });
    expect([asked, outcome.status]).toEqual([['token'], 'completed']);
    await again.close();
    await rm(folder, { recursive: true });
  });

  test('a worker killed by SIGKILL leaves the container to the next execution, even when it ended meanwhile', async () => {
    const file = new URL('../support/docker-worker.ts', import.meta.url).pathname;
    const folder = await mkdtemp(path.join(tmpdir(), 'docker-run-'));
    const runid = `killed-${process.pid}`;
    const script = 'for i in $(seq 1 300); do echo $i; sleep 0.005; done';
    const child = spawn(process.execPath, [file, worker, runid, folder, JSON.stringify(sh(script))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await eventually(() => expect(output).toContain('\n20\n'), { timeout_ms: 30_000 });
    child.kill('SIGKILL');
    await eventually(async () => expect((await inspectOf(runid)).State.Running).toBe(false));
    const { outcome, run } = await docked(sh(script), { folder, instance: { runid, execution: 2 }, lines_before: 20 });
    expect(outcome.status).toBe('completed');
    expect(run.of('stdout')).toEqual(numbers(21, 300));
    await rm(folder, { recursive: true });
  });

  test('a worker killed after the container was removed does not run it again', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'docker-run-'));
    const first = await docked(sh('echo once; exit 4'), { folder });
    const again = { ...first.run.context.instance, execution: 2 };
    const second = await docked(sh('echo once; exit 4'), { folder, instance: again, lines_before: 1 });
    expect(second.outcome).toEqual(first.outcome);
    expect(second.run.lines).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test('a container that somebody removed is not replaced', async () => {
    const { run, work, runid } = await start(sh('echo ready; sleep 60'));
    await said(run, 'ready');
    await docker.getContainer(`orch-${runid}`).remove({ force: true });
    expect(await work).toMatchObject({ status: 'failed', code: expect.stringMatching(/container_gone|exit_code/) });
    await run.close();
  });

  test('a connection that breaks in the middle loses and doubles nothing', async () => {
    const proxy = await breakableProxy();
    const flaky = createDockerEngine({ ...config, DOCKER_HOST: `tcp://127.0.0.1:${proxy.port}` }, worker);
    const { run, work } = await start(sh('for i in $(seq 1 600); do echo $i; sleep 0.005; done'), {}, flaky);
    for (const line of ['50', '200', '400']) {
      await said(run, line);
      await proxy.interrupt(300);
    }
    expect((await work).status).toBe('completed');
    expect(run.of('stdout')).toEqual(numbers(1, 600));
    await run.close();
    proxy.close();
  });

  test('the sweep removes containers of this worker whose instance is not live, and no others', async () => {
    const create = async (runid: string, owner: string) =>
      await docker.createContainer({
        name: `orch-${runid}`,
        Image: TEST_IMAGE,
        Cmd: ['sleep', '60'],
        Labels: { 'orchestrator.runid': runid, 'orchestrator.worker': owner },
      });
    const id = process.pid;
    const [dead, live, other] = await Promise.all([
      create(`dead-${id}`, worker),
      create(`live-${id}`, worker),
      create(`other-${id}`, `${worker}-b`),
    ]);
    const running = await start(sh('echo ready; sleep 60'));
    await said(running.run, 'ready');
    await engine.sweep?.(new Set([`live-${id}`]), logger);
    await expect(dead.inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect((await live.inspect()).Id).toBe(live.id);
    expect((await other.inspect()).Id).toBe(other.id);
    expect((await inspectOf(running.runid)).State.Running).toBe(true);
    running.run.stop('cancel');
    await running.work;
    await running.run.close();
    for (const container of [live, other]) await container.remove({ force: true });
  });
});

/** A TCP door to the daemon that can be slammed. */
async function breakableProxy() {
  const sockets = new Set<net.Socket>();
  let open = true;
  const server = net.createServer((socket) => {
    if (!open) return void socket.destroy();
    const upstream = net.connect('/var/run/docker.sock');
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => undefined).on('close', () => sockets.delete(end));
    }
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const slam = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    interrupt: async (ms: number) => {
      open = false;
      slam();
      await new Promise((done) => setTimeout(done, ms));
      open = true;
    },
    close: () => {
      slam();
      server.close();
    },
  };
}
