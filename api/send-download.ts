import type { Request, Response } from 'express';
import type { ByteRange, Download } from './define-route.ts';
import { refuse } from './problem.ts';
import { writeChunk } from './write-chunk.ts';

type Exchange = { req: Request; res: Response };

export const isDownload = (value: unknown): value is Download =>
  typeof value === 'object' && value !== null && 'download' in value && value.download === true;

/**
 * Sends a file. Of known size: with Content-Length and, when one range is asked for (RFC 9110), as 206; several ranges get the whole, an impossible one
 * gets 416. Nothing in it may run in a browser. A source that fails half way ends the connection, so nobody takes the half for the whole.
 */
export async function sendDownload(download: Download, signal: AbortSignal, { req, res }: Exchange): Promise<void> {
  const range = rangeOf(download, req);
  if (req.method === 'HEAD') {
    describe(download, range, res);
    res.end();
    return;
  }
  const source = download.open(range)[Symbol.asyncIterator]();
  const first = await source.next();
  describe(download, range, res);
  await pour({ source, first }, signal, res);
}

function describe({ content_type, filename, etag, size }: Download, range: ByteRange | null, res: Response): void {
  res.set('Content-Security-Policy', "default-src 'none'; sandbox");
  if (filename !== null) res.attachment(filename);
  res.set('Content-Type', content_type);
  if (etag) res.set('ETag', etag);
  if (size === null) return;
  res.set('Accept-Ranges', 'bytes');
  if (range) res.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
  res.set('Content-Length', String(range ? range.end - range.start + 1 : size));
}

/** @throws EngineError 416: the range lies outside */
function rangeOf({ size, etag }: Download, req: Request): ByteRange | null {
  if (size === null || req.headers.range === undefined) return null;
  const condition = req.headers['if-range'];
  if (condition !== undefined && condition !== etag) return null;
  const ranges = req.range(size, { combine: true });
  if (ranges === -1) throw refuse(416, `range ${JSON.stringify(req.headers.range.slice(0, 80))} lies outside of ${size} bytes`);
  if (ranges === undefined || ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null;
  return ranges[0] ?? null;
}

type Begun = { source: AsyncIterator<string | Uint8Array>; first: IteratorResult<string | Uint8Array> };

/** The first part is read before any header is set: until then the request can still be refused. */
async function pour({ source, first }: Begun, signal: AbortSignal, res: Response): Promise<void> {
  try {
    for (let next = first; !next.done; next = await source.next()) if (!(await writeChunk(res, next.value, signal))) return;
    res.end();
  } catch (cause) {
    res.destroy();
    throw cause;
  } finally {
    await source.return?.();
  }
}
