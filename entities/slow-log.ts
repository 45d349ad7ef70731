import type { EntityManager, LogContext, Logger as OrmLogger } from '@mikro-orm/core';
import type { Logger } from '../config/logger.ts';

/** A statement that took long, as its callers waited for it: calls and milliseconds over the limit. */
export type SlowEntry = { statement: string; calls: number; total_ms: number; max_ms: number };

const KEPT = 200;
const LONGEST = 2_000;

/**
 * Writes a line for each slow statement and keeps the worst of this process. Statements are kept without their parameters, which may be anybody's data.
 * The ORM takes it for its own logger of slow statements; those of hot paths come by `note`.
 */
export class SlowLog implements OrmLogger {
  private readonly logger: Logger;
  private readonly entries = new Map<string, SlowEntry>();

  constructor(logger: Logger) {
    this.logger = logger;
  }

  note(text: string, duration_ms: number): void {
    const statement = text.replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST);
    this.logger.warn({ duration_ms: Math.round(duration_ms), statement }, 'slow statement');
    const entry = this.entries.get(statement) ?? { statement, calls: 0, total_ms: 0, max_ms: 0 };
    entry.calls += 1;
    entry.total_ms += duration_ms;
    entry.max_ms = Math.max(entry.max_ms, duration_ms);
    this.entries.set(statement, entry);
    if (this.entries.size > KEPT) this.forgetLeast();
  }

  /** Those that cost most altogether come first. */
  worst(): SlowEntry[] {
    return [...this.entries.values()].sort((a, b) => b.total_ms - a.total_ms);
  }

  logQuery({ query, took }: LogContext): void {
    if (query !== undefined) this.note(query, took ?? 0);
  }

  log(): void {}
  warn(): void {}
  error(): void {}
  setDebugMode(): void {}
  isEnabled(): boolean {
    return true;
  }

  private forgetLeast(): void {
    const least = this.worst().at(-1);
    if (least) this.entries.delete(least.statement);
  }
}

/** The log of slow statements that this entity manager's database was opened with; null when it has none. */
export function slowLogOf(em: EntityManager): SlowLog | null {
  const log = em.config.getSlowQueryLogger();
  return log instanceof SlowLog ? log : null;
}

/** Does something and notes it as slow when it took as long as the database was told to mind. */
export async function timed<T>(em: EntityManager, text: string, work: () => Promise<T>): Promise<T> {
  const limit = em.config.get('slowQueryThreshold');
  if (limit === undefined) return await work();
  const since = performance.now();
  try {
    return await work();
  } finally {
    const took = performance.now() - since;
    if (took >= limit) slowLogOf(em)?.note(text, took);
  }
}
