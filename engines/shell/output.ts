import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { EngineLog } from '../define-engine.ts';
import type { ShellChild } from './launch.ts';

const IDLE_MS = 300;

/** Copies both streams into the log as they arrive; one reads no further while the log is busy, so a fast writer waits in its pipe. */
export class OutputPump {
  private readonly child: ShellChild;
  private readonly log: EngineLog;
  private readonly finished: Promise<void>;
  private busy = 0;
  private last = performance.now();
  private open = true;
  /** The first failure of the log; the run must end with it. */
  failure: unknown = null;

  constructor(child: ShellChild, log: EngineLog, onFailure: () => void) {
    this.child = child;
    this.log = log;
    const copies = [this.copy('stdout', child.stdout), this.copy('stderr', child.stderr)];
    for (const copy of copies) copy.catch((error: unknown) => this.fail(error, onFailure));
    this.finished = Promise.allSettled(copies).then(() => {
      this.open = false;
    });
  }

  /** After the processes are gone: waits for the rest of their output, but not for a pipe that somebody holds open without writing. */
  async drain(): Promise<void> {
    this.last = performance.now();
    while (this.open && (this.busy > 0 || performance.now() - this.last < IDLE_MS)) {
      await Promise.race([this.finished, pause(50, undefined, { ref: false })]);
    }
    this.child.stdout.destroy();
    this.child.stderr.destroy();
    await this.finished;
    if (this.failure) throw this.failure;
  }

  private async copy(name: 'stdout' | 'stderr', stream: Readable): Promise<void> {
    try {
      for await (const chunk of stream) await this.write(name, chunk as Buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  }

  private async write(name: 'stdout' | 'stderr', chunk: Buffer): Promise<void> {
    this.busy++;
    try {
      await this.log.write(name, chunk);
    } finally {
      this.busy--;
      this.last = performance.now();
    }
  }

  private fail(error: unknown, onFailure: () => void): void {
    this.failure ??= error;
    onFailure();
  }
}
