import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { createShellEngine } from '../../engines/shell/index.ts';
import { listProcesses } from '../../engines/shell/processes.ts';
import { engineRun, type TestRun } from '../support/engine-context.ts';
import { eventually } from '../support/eventually.ts';

const config = { ENGINE_SHELL: true, SHELL_UID_BASE: 64_000 };
const engine = createShellEngine(config, 'test-worker');
const isRoot = process.getuid?.() === 0;
const logger = pino({ level: 'silent' });

async function shell(parameters: Record<string, unknown>, options: Parameters<typeof engineRun>[0] = {}) {
  const run = await engineRun(options);
  const outcome = await engine.run(engine.parameters.parse(parameters), run.context).finally(() => run.close());
  return { outcome, run };
}
const marked = async (runid: string) => (await listProcesses()).filter((found) => found.runid === runid);
const started = (run: TestRun, line = 'ready') => eventually(() => expect(run.of('stdout')).toContain(line));

/** Starts a script and waits for its line `ready`. */
async function begin(script: string, options: Parameters<typeof engineRun>[0] = {}) {
  const run = await engineRun(options);
  const work = engine.run(engine.parameters.parse({ script }), run.context);
  work.catch(() => undefined);
  await started(run);
  return { run, work, runid: run.context.instance.runid };
}

describe('shell engine', () => {
  test('runs argv without a shell and gives exit code and output', async () => {
    const { outcome, run } = await shell({ argv: ['printf', '%s\\n', '$HOME', 'a b'] });
    expect(outcome).toMatchObject({ status: 'completed', result: { exit_code: 0, signal: null } });
    expect(run.of('stdout')).toEqual(['$HOME', 'a b']);
  });

  test('a script ends at its first failing command, and names its own interpreter if it likes', async () => {
    const { outcome, run } = await shell({ script: 'echo one\nfalse\necho two' });
    expect([outcome.code, run.of('stdout')]).toEqual(['exit_code', ['one']]);
    expect((await shell({ script: '#!/usr/bin/awk -f\nBEGIN { print 6*7 }' })).run.of('stdout')).toEqual(['42']);
  });

  test.each([1, 3, 255])('exit code %i fails the task', async (code) => {
    const { outcome } = await shell({ script: `exit ${code}` });
    expect(outcome).toMatchObject({ status: 'failed', code: 'exit_code', error: { details: { exit_code: code } } });
  });

  test('a command that does not exist fails with 127, one that is no program with 126', async () => {
    expect((await shell({ argv: ['/no/such/program'] })).outcome.error?.details).toMatchObject({ exit_code: 127 });
    expect((await shell({ argv: ['/etc/passwd'] })).outcome.error?.details).toMatchObject({ exit_code: 126 });
  });

  test('death by a signal is told by its name', async () => {
    const { outcome } = await shell({ script: 'kill -SEGV $$' });
    expect(outcome).toMatchObject({ status: 'failed', code: 'signal', error: { details: { signal: 'SIGSEGV', exit_code: null } } });
  });

  test('the environment holds nothing but what is stated', async () => {
    process.env.LEAKED = 'yes';
    const { run } = await shell({ argv: ['env'], env: { A: 'b c' } });
    delete process.env.LEAKED;
    const names = run
      .of('stdout')
      .map((line) => line.split('=')[0])
      .sort();
    expect(names).toEqual(['A', 'HOME', 'LANG', 'ORCHESTRATOR_RUNID', 'ORCHESTRATOR_WORKER', 'PATH']);
    expect(run.of('stdout')).toContain('A=b c');
  });

  test('a loader variable of the task does not reach anything that runs as another user', async () => {
    const { run } = await shell({ argv: ['id', '-u'], env: { LD_PRELOAD: '/no/such/library.so' } });
    const uid = Number(run.of('stdout')[0]);
    expect(isRoot ? uid >= 64_000 && uid < 65_000 : uid === process.getuid?.()).toBe(true);
  });

  test('secrets arrive and are masked, also when split between writes', async () => {
    const { run } = await shell(
      { script: 'printf "<%s" hun; sleep 0.2; printf "ter2> %s\\n" "$(printf %s "$S" | wc -c)"', env: { S: { secret: 'pw' } } },
      { secrets: { pw: 'hunter2' } },
    );
    expect(run.of('stdout')).toEqual(['<***> 7']);
  });

  test('a secret that is not there fails the run before anything starts', async () => {
    await expect(shell({ argv: ['true'], env: { S: { secret: 'no' } } })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('stdin is passed on, and is empty by default', async () => {
    expect((await shell({ argv: ['cat'], stdin: 'x'.repeat(300_000) })).run.of('stdout').join('')).toHaveLength(300_000);
    expect((await shell({ argv: ['cat'] })).outcome.status).toBe('completed');
    expect((await shell({ argv: ['true'], stdin: 'x'.repeat(300_000) })).outcome.status).toBe('completed');
  });

  test('works in its own folder, or one below it', async () => {
    const { run } = await shell({ script: 'pwd; echo hi > file; cat "$HOME/a/b/file"', working_folder: 'a/b' });
    expect(run.of('stdout')).toEqual([expect.stringMatching(/\/a\/b$/), 'hi']);
  });

  test.each([
    [{}, /either argv or script/],
    [{ argv: ['a'], script: 'b' }, /either argv or script/],
    [{ argv: [] }, />=1/],
    [{ argv: [''] }, /must not be empty/],
    [{ argv: Array(257).fill('a') }, /<=256/],
    [{ argv: ['a\0b'] }, /NUL/],
    [{ argv: ['a'], working_folder: '../x' }, /relative path/],
    [{ argv: ['a'], working_folder: '/etc' }, /relative path/],
    [{ argv: ['a'], working_folder: 'a/../../b' }, /relative path/],
    [{ argv: ['a'], env: { 'A=B': 'x' } }, /letters, digits/],
    [{ argv: ['a'], env: { ORCHESTRATOR_RUNID: 'x' } }, /reserved/],
    [{ argv: ['a'], shell: true }, /Unrecognized key/],
  ])('refuses %j', (parameters, message) => {
    const parsed = engine.parameters.safeParse(parameters);
    expect(parsed.success).toBe(false);
    expect(parsed.error?.message).toMatch(message);
  });

  test('2,000 lines arrive complete and in order on both streams', async () => {
    const { run } = await shell({ script: 'i=1; while [ $i -le 2000 ]; do echo $i; echo e$i >&2; i=$((i+1)); done; printf end' });
    expect(run.of('stdout')).toEqual([...Array.from({ length: 2000 }, (_, i) => String(i + 1)), 'end']);
    expect(run.of('stderr')).toEqual(Array.from({ length: 2000 }, (_, i) => `e${i + 1}`));
  });

  test('lines of both streams written apart keep their order', async () => {
    const { run } = await shell({ script: 'for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done' });
    expect(run.lines.map((line) => line.text)).toEqual(['o1', 'e1', 'o2', 'e2', 'o3', 'e3']);
  });

  test('a slow log slows the writer down instead of filling the memory', async () => {
    let bytes = 0;
    let waiting = 0;
    let most = 0;
    const onWrite = async (chunk: Buffer) => {
      most = Math.max(most, ++waiting);
      bytes += chunk.length;
      await pause(2);
      waiting--;
    };
    const run = await engineRun({ onWrite });
    const before = process.memoryUsage().rss;
    const work = engine.run(engine.parameters.parse({ script: 'yes 0123456789012345678901234567890123456789' }), run.context);
    await eventually(() => expect(bytes).toBeGreaterThan(30e6), { timeout_ms: 20_000 });
    run.stop('cancel');
    expect((await work).status).toBe('cancelled');
    expect(most).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
    run.lines.length = 0;
    await run.close();
  });

  test('cancel ends it by SIGTERM within a second when it listens', async () => {
    const { run, work, runid } = await begin('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    const before = performance.now();
    run.stop('cancel');
    expect(await work).toMatchObject({ status: 'cancelled', code: 'cancelled' });
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(run.of('stdout')).toContain('bye');
    expect(await marked(runid)).toEqual([]);
    await run.close();
  });

  test.each([
    [0, 'killed at once', []],
    [20, 'left to end by itself', ['bye']],
  ])('a cancellation with %d s of grace finds it %s', async (grace_s, _how, said) => {
    const slow = 'trap "sleep 5.5; echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done';
    const { run, work } = await begin(slow, { grace_s });
    const before = performance.now();
    run.stop('cancel');
    expect(await work).toMatchObject({ status: 'cancelled' });
    expect(performance.now() - before > 5_000).toBe(grace_s > 0);
    expect(run.of('stdout').slice(1)).toEqual(said);
    await run.close();
  });

  test('what ignores SIGTERM is killed after the grace', async () => {
    const { run, work, runid } = await begin('trap "" TERM; echo ready; while :; do sleep 0.05; done');
    const before = performance.now();
    run.stop('timeout');
    expect(await work).toMatchObject({ status: 'timed_out', code: 'timed_out' });
    expect(performance.now() - before).toBeGreaterThan(4_000);
    expect(performance.now() - before).toBeLessThan(7_000);
    expect(await marked(runid)).toEqual([]);
    await run.close();
  });

  test.each(['superseded', 'shutdown'] as const)('%s kills the work and throws', async (reason) => {
    const { run, work, runid } = await begin('echo ready; sleep 60 & setsid sleep 60 & wait');
    run.stop(reason);
    await expect(work).rejects.toMatchObject({ code: 'superseded', details: { reason } });
    expect(await marked(runid)).toEqual([]);
    await run.close();
  });

  test('cancel kills children, those in sessions of their own, and those that forget their environment', async () => {
    // Told from those of other runs on this machine by their fraction.
    const seconds = (n: number) => `${n}.0${process.pid}`;
    const [a, b, c, d, e] = [71, 72, 73, 74, 75].map(seconds);
    const { run, work, runid } = await begin(
      `sleep ${a} & setsid sleep ${b} & (setsid sh -c "sleep ${c} & sleep ${d}" &) ; env -i setsid sleep ${e} & sleep 0.3; echo ready; wait`,
    );
    expect((await marked(runid)).length).toBeGreaterThanOrEqual(5);
    run.stop('cancel');
    await work;
    const expected = isRoot ? [a, b, c, d, e] : [a, b, c, d];
    // What was killed may still be listed until it has been scheduled once more; what was missed would sleep on for a minute.
    await eventually(
      async () => {
        const found = (await listProcesses()).map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''));
        const commands = await Promise.all(found);
        expect(commands.filter((command) => expected.some((n) => command === `sleep\0${n}\0`))).toEqual([]);
      },
      { timeout_ms: 3_000 },
    );
    await run.close();
  });

  test('a background child holding the pipe does not keep the task from ending, and does not outlive it', async () => {
    const before = performance.now();
    const { outcome, run } = await shell({ script: 'echo out; setsid sleep 60 & sleep 60 & exit 0' });
    expect(outcome.status).toBe('completed');
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(run.of('stdout')).toEqual(['out']);
    expect(await marked(run.context.instance.runid)).toEqual([]);
  });

  test('leaves no file descriptor, zombie or process behind', async () => {
    await shell({ argv: ['true'] });
    const count = async () => (await readdir('/proc/self/fd')).length;
    // Other test files of this process may hold descriptors of their own: what counts is that theirs have come to rest.
    let before = -1;
    const atRest = async () => {
      const [earlier, now] = [before, await count()];
      before = now;
      expect(now).toBe(earlier);
    };
    await eventually(atRest, { interval_ms: 300 });
    await Promise.all(Array.from({ length: 20 }, () => shell({ script: 'sleep 0.05 & echo x' })));
    await eventually(async () => expect(await count()).toBeLessThanOrEqual(before + 1));
    const zombies = (
      await Promise.all(
        (
          await readdir('/proc')
        )
          .filter((name) => /^\d+$/.test(name))
          .map((pid) => readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')),
      )
    ).filter((status) => /^State:\s+Z/m.test(status) && status.includes(`PPid:\t${process.pid}\n`));
    expect(zombies).toEqual([]);
  });

  (isRoot ? test : test.skip)('as root, each run has a user id of its own, an own private folder, and no way back', async () => {
    const script = 'echo ready; id -u; id -G; stat -c %a "$HOME"; touch "$HOME/x" && cat /proc/self/status | grep NoNewPrivs; sleep 0.5';
    const [one, two] = await Promise.all([shell({ script }), shell({ script })]);
    const ids = [one, two].map(({ run }) => Number(run.of('stdout')[1]));
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id >= 64_000 && id < 65_000).toBe(true);
    expect(one.run.of('stdout').slice(2)).toEqual([String(ids[0]), '700', 'NoNewPrivs:\t1']);
  });

  (isRoot ? test : test.skip)(
    'as root, a folder below a private home directory is replaced by one that the user reaches, and removed',
    async () => {
      const parent = await mkdtemp(path.join(tmpdir(), 'private-'));
      await chmod(parent, 0o700);
      const folder = await mkdtemp(path.join(parent, 'run-'));
      const { run, outcome } = await shell({ script: 'cd /; cd "$HOME"; pwd' }, { folder });
      expect(outcome.status).toBe('completed');
      await expect(stat(run.of('stdout')[0] ?? '')).rejects.toThrow('ENOENT');
      await rm(parent, { recursive: true });
    },
  );

  test('the sweep kills left-overs of this worker, and neither live instances nor those of other workers', async () => {
    const leftover = (runid: string, worker: string) =>
      spawn('sleep', ['60'], {
        env: { PATH: '/bin:/usr/bin', ORCHESTRATOR_RUNID: runid, ORCHESTRATOR_WORKER: worker },
        detached: true,
        stdio: 'ignore',
      });
    const [dead, live, other] = [leftover('dead-1', 'test-worker'), leftover('live-1', 'test-worker'), leftover('dead-2', 'other-worker')];
    const running = await begin('echo ready; sleep 60');
    try {
      await eventually(async () =>
        expect([...(await marked('dead-1')), ...(await marked('live-1')), ...(await marked('dead-2'))]).toHaveLength(3),
      );
      await engine.sweep?.(new Set(['live-1']), logger);
      const left = await Promise.all(['dead-1', 'live-1', 'dead-2', running.runid].map(async (runid) => (await marked(runid)).length > 0));
      expect(left).toEqual([false, true, true, true]);
    } finally {
      for (const child of [dead, live, other]) child.kill('SIGKILL');
      running.run.stop('cancel');
      await running.work;
      await running.run.close();
    }
  });

  test('everything dies with a worker that is killed by SIGKILL, grandchildren in other sessions too', async () => {
    const file = new URL('../support/shell-worker.ts', import.meta.url).pathname;
    const worker = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    let output = '';
    worker.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await eventually(() => expect(output).toMatch(/ready/), { timeout_ms: 20_000 });
    const runid = 'killed-worker-run';
    expect((await marked(runid)).length).toBeGreaterThanOrEqual(3);
    process.kill(-(worker.pid ?? 0), 'SIGKILL');
    await eventually(async () => expect(await marked(runid)).toEqual([]));
  });

  test('is not available when it is switched off', async () => {
    expect(await createShellEngine({ ...config, ENGINE_SHELL: false }, 'w').available()).toEqual({
      ok: false,
      reason: expect.stringContaining('ENGINE_SHELL'),
    });
    expect(await engine.available()).toEqual({ ok: true });
  });
});
