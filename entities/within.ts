import { EngineError } from '../core/errors.ts';

/**
 * Waits for an answer, but not for ever. What was asked goes on; only the waiting ends.
 * @throws EngineError timeout: no answer within `limit_ms`
 */
export async function within<T>(limit_ms: number, what: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new EngineError('timeout', `${what}: no answer within ${limit_ms} ms`)), limit_ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => undefined);
  }
}
