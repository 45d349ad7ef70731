import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger } from '../config/logger.ts';

/** What the SDK warns of although it is everyday business here: a task that failed. */
const ORDINARY = new Set(['Workflow failed']);
const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/**
 * Makes the SDK speak through the process's own logger. Once a process, before the first connection. Its native part warns about every single
 * call while Temporal is away, dozens a second, so it is heard only about errors; the dispatcher says once when Temporal goes and comes back.
 */
export function installRuntime(logger: Logger): void {
  const sink = logger.child({ component: 'temporal-sdk' });
  const speak = new DefaultLogger('WARN', ({ level, message, meta }) =>
    sink[ORDINARY.has(message) ? 'debug' : LEVELS[level]]({ ...meta }, message),
  );
  const logging = { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} };
  try {
    Runtime.install({ logger: speak, shutdownSignals: [], telemetryOptions: { logging } });
  } catch {
    // Installed already: tests start several workers in one process.
  }
}
