import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../platform/ports.ts';
import { createTestDatabase, type TestDatabase, temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** A program of ours as a process; what it printed, and how it ended. */
class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = '';

  constructor(script: string, env: Record<string, string>) {
    this.child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
      cwd: root,
      env: { PATH: process.env.PATH, ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.exited = once(this.child, 'exit').then(([code]) => code as number | null);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.exited;
  }
}

describe('npm run demo', () => {
  let database: TestDatabase;
  let env: Record<string, string>;
  const running: Program[] = [];

  const run = async (script: string, own: Record<string, string> = {}) => {
    const program = new Program(script, { ...env, ...own });
    return { code: await program.exited, output: program.output };
  };
  const keep = (script: string, own: Record<string, string> = {}) => {
    const program = new Program(script, { ...env, ...own });
    running.push(program);
    return program;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    const folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-demo-test-'));
    await chmod(folder, 0o711);
    const port = String(await freePort('127.0.0.1', 0));
    env = {
      DATA_DIR: folder,
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporalAddress(),
      API_PORT: port,
      ORCHESTRATOR_URL: `http://127.0.0.1:${port}`,
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      SHUTDOWN_GRACE_S: '1',
      WORKER_CPU: '4',
      WORKER_MEMORY_MB: '4096',
    };
  });

  afterAll(async () => {
    await Promise.all(running.map((program) => program.stop()));
    await database.drop();
    await rm(env.DATA_DIR as string, { recursive: true, force: true });
  });

  it('says what to do when nothing is prepared or running', async () => {
    const { code, output } = await run('cli/demo.ts');
    expect([code, output]).toEqual([1, expect.stringMatching(/no API key: .*admin\.key/)]);
  });

  it('is prepared for by a command that may be repeated: servers made ready, key kept private', async () => {
    const [first, second] = [await run('platform/prepare.ts'), await run('platform/prepare.ts')];
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(first.output).toMatch(/administrator made; API key in .*admin\.key/);
    expect(first.output).not.toContain(await readFile(path.join(env.DATA_DIR as string, 'admin.key'), 'utf8'));
    expect(second.output).not.toMatch(/administrator/);
  });

  it('runs one task per engine that is offered, follows them to their end, and says why others are left out', async () => {
    const api = keep('api/main.ts');
    const worker = keep('worker/main.ts', { OUTBOUND_ALLOW: '127.0.0.1/32' });
    await eventually(
      () => expect([api.output, worker.output]).toEqual([expect.stringContaining('api ready'), expect.stringContaining('worker ready')]),
      {
        timeout_ms: 40_000,
      },
    );
    const { code, output } = await run('cli/demo.ts');
    expect(output).toMatch(/^shell {3}ok {2}completed .*"exit_code":0/m);
    expect(output).toMatch(/^http {4}ok {2}completed .*"status":200/m);
    expect(output).toMatch(/^flames {2}ok {2}completed .*"calls":20,"total":20/m);
    expect(output).toMatch(/^docker {2}ok {2}skipped .*docker\.sock/m);
    expect(output.indexOf('step 1 of 3')).toBeLessThan(output.indexOf('step 3 of 3'));
    expect(code).toBe(0);
  });
});
