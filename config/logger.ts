import { type Logger, type LoggerOptions, pino } from 'pino';
import type { Config } from './env.ts';

export type { Logger };

/**
 * The process's logger: JSON lines on stdout, written beside the work and flushed at exit. Authorization headers, keys and secrets are masked by path wherever they stand.
 * @param part which part of the system speaks: `api`, `dispatcher`, `worker`, `supervisor`, …
 */
export function createLogger(config: Pick<Config, 'LOG_LEVEL'>, part: string): Logger {
  const options: LoggerOptions = {
    level: config.LOG_LEVEL,
    base: { part, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['authorization', '*.authorization', 'api_key', '*.api_key', '*.secret', '*.password', 'req.headers'], censor: '***' },
  };
  return pino(options, pino.destination({ dest: 1, sync: false }));
}
