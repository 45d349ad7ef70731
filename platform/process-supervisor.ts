import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../config/logger.ts';
import { EngineError } from '../core/errors.ts';
import type { Exit, Running } from './guarded-process.ts';
import { HEALTHY_AFTER_MS, restartDelay } from './restart-delay.ts';

/** Something that is to run all the time. `start` resolves when it is ready; `stop_limit_ms`: how long it may take to stop before it is killed. */
export type Part = { name: string; stop_limit_ms: number; start(): Promise<Running> };

type Kept = { part: Part; running: Running | null };

const describe = (exit: Exit): string => (exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`);

/** Keeps parts alive: starts them in order, starts again what dies, stops them in reverse. Each death and restart is one log line. */
export class Supervisor {
  readonly #logger: Logger;
  readonly #kept: Kept[] = [];
  readonly #stopping = new AbortController();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Starts a part and keeps it alive from then on. Several may start at once; they are stopped in the reverse order of these calls.
   * @throws what the first start throws, nothing is restarted then; EngineError conflict: stopped meanwhile
   */
  async keep(part: Part): Promise<void> {
    const kept: Kept = { part, running: null };
    this.#kept.push(kept);
    kept.running = await part.start();
    if (this.#stopping.signal.aborted) {
      await kept.running.stop(part.stop_limit_ms);
      throw new EngineError('conflict', `${part.name}: started while everything was being stopped; expected no start any more`);
    }
    void this.#watch(kept);
  }

  /** Stops all parts, the last started first, each within its limit; with `hard` they are killed at once. Repeating it is harmless. */
  async stop({ hard = false } = {}): Promise<void> {
    this.#stopping.abort();
    for (const { part, running } of this.#kept.toReversed()) {
      if (!running) continue;
      const exit = await running.stop(hard ? 0 : part.stop_limit_ms);
      this.#logger.info({ stopped: part.name, how: describe(exit) }, `${part.name} stopped`);
    }
  }

  async #watch(kept: Kept): Promise<void> {
    let deaths = 0;
    for (let since = Date.now(); kept.running; since = Date.now()) {
      const exit = await kept.running.exited;
      if (this.#stopping.signal.aborted) return;
      deaths = Date.now() - since >= HEALTHY_AFTER_MS ? 1 : deaths + 1;
      kept.running = null;
      this.#logger.error(
        { died: kept.part.name, deaths },
        `${kept.part.name} died (${describe(exit)}), starting it again in ${restartDelay(deaths)} ms`,
      );
      deaths = await this.#revive(kept, deaths);
    }
  }

  /** Tries until the part runs or all is stopped. @returns deaths in a row, failed starts among them */
  async #revive(kept: Kept, deaths: number): Promise<number> {
    for (let n = deaths; ; n += 1) {
      await sleep(restartDelay(n), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return n;
      const running = await kept.part.start().catch((error: unknown) => {
        this.#logger.error(
          { died: kept.part.name, err: error },
          `${kept.part.name} did not start, trying again in ${restartDelay(n + 1)} ms`,
        );
        return null;
      });
      if (!running) continue;
      kept.running = running;
      if (this.#stopping.signal.aborted) await running.stop(kept.part.stop_limit_ms);
      else this.#logger.info({ restarted: kept.part.name, deaths: n }, `${kept.part.name} runs again`);
      return n;
    }
  }
}

const SAME_SIGNAL_MS = 1000;

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP; `again` is called at a later one. A terminal, npm and the start script each pass the same
 * Ctrl-C on, so what comes within a second of the first counts as the same.
 */
export function untilSignal(again: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      if (first === 0) {
        first = Date.now();
        resolve(signal);
      } else if (Date.now() - first > SAME_SIGNAL_MS) again();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}
