import { Worker } from 'node:worker_threads';
import type { DetectedObject } from '../../core/detection/frame.ts';
import { type PersonRules, personsOf } from '../../core/detection/persons.ts';
import { EngineError } from '../../core/errors.ts';
import type { PersonAnswer } from './person-thread.ts';

type Waiter = { resolve(answer: PersonAnswer): void; reject(cause: unknown): void };

const LACKS = 'the detector "person" takes the optional packages @vladmandic/human and @tensorflow/tfjs-*: install them on this worker';

/** Finds persons in pictures, in a thread of its own, so that nothing else of the worker waits for it. */
export class PersonModel {
  private readonly thread: Worker;
  private readonly waiters = new Map<number, Waiter>();
  private readonly ready: Promise<PersonAnswer>;
  private last = 0;
  private over: unknown = null;

  constructor() {
    this.thread = new Worker(new URL('./person-thread.ts', import.meta.url), { name: 'person detector', execArgv: [] });
    this.thread.on('message', (answer: PersonAnswer) => this.settle(answer));
    this.thread.on('error', (cause) => this.fail(cause));
    this.thread.on('exit', () => this.fail(new Error('the thread of the detector has ended')));
    this.ready = this.wait(0);
    this.ready.catch(() => undefined);
  }

  /** @throws EngineError unavailable: the packages are not installed; invalid_input: no picture */
  async persons(jpeg: Uint8Array, rules: PersonRules): Promise<DetectedObject[]> {
    await this.ready.catch((cause: unknown) => {
      const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
      throw new EngineError('unavailable', missing ? LACKS : `the detector "person" cannot start: ${(cause as Error).message}`, { cause });
    });
    const id = ++this.last;
    const answered = this.wait(id);
    this.thread.postMessage({ id, jpeg });
    const answer = await answered;
    if ('error' in answer) throw new EngineError('invalid_input', `a picture cannot be read: ${answer.error}`);
    return personsOf(answer.rows, answer, rules);
  }

  /** Whoever waits is told so. */
  async stop(): Promise<void> {
    await this.thread.terminate();
  }

  private async wait(id: number): Promise<PersonAnswer> {
    if (this.over) throw this.over;
    return await new Promise((resolve, reject) => this.waiters.set(id, { resolve, reject }));
  }

  private settle(answer: PersonAnswer): void {
    this.waiters.get(answer.id)?.resolve(answer);
    this.waiters.delete(answer.id);
  }

  private fail(cause: unknown): void {
    this.over ??= cause;
    for (const { reject } of this.waiters.values()) reject(this.over);
    this.waiters.clear();
  }
}
