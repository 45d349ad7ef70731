import { spawn } from 'node:child_process';
import { ShellGuard } from '../../engines/shell/guard.ts';
import { takeUserId } from '../../engines/shell/user-ids.ts';
import { eventually } from '../support/eventually.ts';

const BASE = 66_000;
const asRoot = process.getuid?.() === 0 ? test : test.skip;

/** A guard whose worker has died with so many tasks registered under one user id. */
function guardOfDead(uid: number, tasks: number): Promise<void> {
  const guard = new ShellGuard();
  for (let i = 0; i < tasks; i += 1) guard.add({ runid: `none-${i}`, pid: 2 ** 22 + i, uid });
  const { child } = guard as unknown as { child: ReturnType<typeof spawn> };
  for (let i = 0; i < tasks; i += 1) (guard as unknown as { live: Map<string, unknown> }).live.delete(`none-${i}`);
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  child.stdin?.end();
  return ended;
}

asRoot('a user id that another worker has reserved meanwhile is left alone; one that nobody has is cleared', async () => {
  const { uid, release } = await takeUserId(BASE);
  const task = spawn('sleep', ['61'], { uid, gid: uid, stdio: 'ignore' });
  const end = new Promise<NodeJS.Signals | null>((done) => task.once('exit', (_code, signal) => done(signal)));
  await guardOfDead(uid, 50);
  expect(task.signalCode).toBeNull();
  await release();
  await guardOfDead(uid, 50);
  expect(await end).toBe('SIGKILL');
});

asRoot(
  'who takes a user id finds nothing running under it',
  async () => {
    const first = await takeUserId(BASE);
    await first.release();
    const left = spawn('sleep', ['62'], { uid: first.uid, gid: first.uid, stdio: 'ignore' });
    const end = new Promise<NodeJS.Signals | null>((done) => left.once('exit', (_code, signal) => done(signal)));
    await eventually(
      async () => {
        const again = await takeUserId(first.uid);
        await again.release();
        expect(left.signalCode).toBe('SIGKILL');
      },
      { interval_ms: 1 },
    );
    expect(await end).toBe('SIGKILL');
  },
  60_000,
);
