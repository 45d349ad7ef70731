import { EngineError } from '../core/errors.ts';

/** Runs `work`, but rejects as soon as the user interrupts, so that whoever waits can stop what it started. A second signal ends the process at once. */
export async function untilInterrupted<T>(work: Promise<T>): Promise<T> {
  let interrupt: ((signal: NodeJS.Signals) => void) | null = null;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (signal) => reject(new EngineError('internal', `interrupted by ${signal}`));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  });
  return await Promise.race([work, interrupted]).finally(() => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) if (interrupt) process.off(signal, interrupt);
  });
}
