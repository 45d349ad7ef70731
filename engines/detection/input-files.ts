import { open, realpath } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../../core/errors.ts';

const isBelow = (file: string, root: string): boolean => file === root || file.startsWith(root.endsWith(path.sep) ? root : root + path.sep);

const outside = (file: string, roots: readonly string[]): string =>
  `"${file}": expected a path below ${roots.map((root) => `"${root}"`).join(' or ')} (DETECTION_ROOTS)`;

/** Whether a path is written so that it may lie below the roots; nothing is looked at. @returns what is wrong, or null */
export const pathProblem = (file: string, roots: readonly string[]): string | null =>
  roots.some((root) => isBelow(path.resolve(file), root)) ? null : outside(file, roots);

/**
 * The file that a path leads to, links followed, which must lie below one of the roots.
 * @throws EngineError not_found: there is none, or it may not be read; forbidden: it lies elsewhere
 */
export async function resolveInput(file: string, roots: readonly string[]): Promise<string> {
  if (pathProblem(file, roots)) throw new EngineError('forbidden', outside(file, roots));
  const real = await realpath(file).catch((cause: unknown) => {
    throw new EngineError('not_found', `"${file}": ${(cause as NodeJS.ErrnoException).code ?? 'cannot be read'} on this worker`, { cause });
  });
  const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
  if (!realRoots.some((root) => isBelow(real, root))) throw new EngineError('forbidden', outside(file, roots));
  return real;
}

/** The largest track file. */
const MOST_BYTES = 256 * 2 ** 20;

/**
 * A whole track file as text.
 * @throws EngineError not_found; forbidden; too_large; invalid_input: no UTF-8
 */
export async function readInput(file: string, roots: readonly string[]): Promise<string> {
  const handle = await open(await resolveInput(file, roots), 'r').catch((cause: unknown) => {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('not_found', `"${file}": ${(cause as NodeJS.ErrnoException).code} on this worker`, { cause });
  });
  try {
    const { size } = await handle.stat();
    if (size > MOST_BYTES) throw new EngineError('invalid_input', `"${file}": expected at most ${MOST_BYTES} bytes, got ${size}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('invalid_input', `"${file}": expected a text file in UTF-8`, { cause });
  } finally {
    await handle.close();
  }
}
