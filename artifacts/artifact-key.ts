import { EngineError } from '../core/errors.ts';

const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/;
const MOST_SEGMENTS = 12;

/**
 * Checks the name of an artifact: segments of letters, digits, ".", "_" and "-" joined by "/", none of which begins with a dot; so it can be a path
 * below any folder, and the key of an object.
 * @throws EngineError invalid_input
 */
export function checkKey(key: string): string {
  const segments = key.split('/');
  if (segments.length <= MOST_SEGMENTS && segments.every((segment) => SEGMENT.test(segment))) return key;
  throw new EngineError(
    'invalid_input',
    `artifact ${JSON.stringify(key.slice(0, 200))}: must be names of letters, digits, ".", "_", "-" joined by "/"`,
  );
}
