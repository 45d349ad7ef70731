import { once } from 'node:events';
import type { Response } from 'express';

/** Writes with back-pressure; false when the client has gone. */
export async function writeChunk(res: Response, chunk: string | Uint8Array, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted || res.destroyed) return false;
  if (!res.write(chunk)) await once(res, 'drain', { signal }).catch(() => undefined);
  return !signal.aborted;
}
