import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import type { ByteRange, Download, RouteContext } from '../../define-route.ts';

/** `download=true`: offered for saving instead of being shown. */
export const DownloadQuery = z.strictObject({ download: z.enum(['true', 'false']).default('false') });
export type DownloadQuery = z.output<typeof DownloadQuery>;

/** A stored file to be sent. `etag`: changes with the content; null: made of size and time. `what`: for the refusal when it is gone. */
export type StoredFile = { key: string; content_type: string; filename: string; etag: string | null; what: string };

/**
 * A file of the artifact store as an answer with ranges.
 * @throws EngineError not_found: it is not in the store
 */
export async function storedDownload(ctx: RouteContext, file: StoredFile, query: DownloadQuery): Promise<Download> {
  const info = await ctx.artifacts.stat(file.key);
  if (!info) throw new EngineError('not_found', `${file.what}: its file is not in the store`);
  return {
    download: true,
    content_type: file.content_type,
    filename: query.download === 'true' ? file.filename : null,
    size: info.size,
    etag: `"${file.etag ?? `${info.size}-${info.modified_at.getTime()}`}"`,
    open: (range) => bytesOf(ctx, file.key, range),
  };
}

async function* bytesOf(ctx: RouteContext, key: string, range: ByteRange | null): AsyncGenerator<Uint8Array> {
  yield* (await ctx.artifacts.open(key, range)) as AsyncIterable<Uint8Array>;
}

/** @throws EngineError not_found: the thing has no such file, or not yet */
export function pathOf(path: string | null | undefined, what: string): string {
  if (!path) throw new EngineError('not_found', `${what}: there is none, or not yet`);
  return path;
}
