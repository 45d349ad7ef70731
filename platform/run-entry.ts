import { EngineError } from '../core/errors.ts';

/** Runs a program's `main`; a failure is one line for people, with its cause, and exit code 1. Faults of the program itself keep their stack. */
export async function runEntry(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    process.stderr.write(`${error.code}: ${error.message}${cause}\n`);
    process.exitCode = 1;
  }
}
