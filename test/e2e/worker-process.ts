import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** A program of ours and the line of its log by which it is ready. */
export type Part = { entry: string; ready: string };

export const PARTS = {
  worker: { entry: 'worker/main.ts', ready: 'worker ready' },
  dispatcher: { entry: 'dispatcher/main.ts', ready: 'dispatcher ready' },
  api: { entry: 'api/main.ts', ready: 'api ready' },
} as const;

/** `node worker/main.ts` in a process group of its own, as `npm run worker` would run it, or another part. */
export class WorkerProcess {
  /** Resolves when the worker polls; rejects with its output when it ended before. */
  readonly ready: Promise<void>;
  readonly exited: Promise<number | null>;
  private readonly child: ChildProcess;
  private output = '';

  constructor(env: NodeJS.ProcessEnv, part: Part = PARTS.worker) {
    const argv = ['--disable-warning=ExperimentalWarning', path.join(ROOT, part.entry)];
    this.child = spawn(process.execPath, argv, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.ready = new Promise((resolve, reject) => {
      for (const stream of [this.child.stdout, this.child.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          this.output = (this.output + chunk).slice(-20_000);
          if (this.output.includes(part.ready)) resolve();
        });
      }
      void this.exited.then((code) => reject(new Error(`${part.entry} ended with ${code}: ${this.output}`)));
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get log(): string {
    return this.output;
  }

  /** Signals the worker alone, not what it runs. SIGKILL and SIGTERM resolve when it has ended. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    this.child.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await this.exited;
  }
}
