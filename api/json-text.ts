import { jsonDepth } from './json-guard.ts';
import { refuse } from './problem.ts';

/** @throws EngineError 400: not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(400, 'the body is not valid UTF-8');
  }
}

/**
 * The value of a text, whose depth is looked at before it is parsed.
 * @param what names the text in errors: `the body`, `line 3`
 * @throws EngineError 400: deeper than `depth` levels, or not JSON, and where
 */
export function parseJson(text: string, what: string, depth: number): unknown {
  if (jsonDepth(text, depth) > depth) throw refuse(400, `${what} nests deeper than ${depth} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const where = /at position \d+( \(line \d+ column \d+\))?/.exec((cause as Error).message)?.[0] ?? 'at its end';
    throw refuse(400, `${what} is not valid JSON ${where}`);
  }
}
