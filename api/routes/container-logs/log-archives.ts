import { z } from 'zod';
import { EngineError } from '../../../core/errors.ts';
import { findArchive, listArchives } from '../../../entities/log-segment.queries.ts';
import { LogArchive } from '../../../schemas/log-segment.ts';
import { PageQuery, pageOf } from '../../../schemas/page.ts';
import { type Download, defineRoute } from '../../define-route.ts';
import { NumberPath } from './paths.ts';

export const listLogArchivesRoute = defineRoute({
  id: 'listLogArchives',
  method: 'get',
  path: '/container-logs/archives',
  summary: 'List the files that old rows were written to before they were removed',
  tags: ['container logs'],
  rights: 'operator',
  query: z.strictObject({ ...PageQuery, table: z.string().max(63).optional() }),
  response: { status: 200, schema: pageOf(LogArchive) },
  handle: async ({ query: { limit, cursor, ...filter } }, ctx) => await listArchives(ctx.em, filter, { limit, cursor: cursor ?? null }),
});

export const downloadLogArchiveRoute = defineRoute({
  id: 'downloadLogArchive',
  method: 'get',
  path: '/container-logs/archives/{id}/file',
  summary: 'Download an archive: NDJSON, compressed by gzip, with the listed SHA-256',
  tags: ['container logs'],
  rights: 'operator',
  params: NumberPath,
  response: { status: 200, schema: null, download: ['application/gzip'] },
  handle: async ({ params }, ctx): Promise<Download> => {
    const archive = await findArchive(ctx.em, params.id);
    if (!archive) throw new EngineError('not_found', `archive ${params.id}: there is none`);
    if (!(await ctx.artifacts.stat(archive.key))) throw new EngineError('not_found', `archive ${params.id}: its file is not in the store`);
    return {
      download: true,
      content_type: 'application/gzip',
      filename: archive.key.split('/').at(-1) ?? 'archive.ndjson.gz',
      size: archive.bytes,
      etag: `"${archive.sha256}"`,
      open: (range) => streamOf(ctx.artifacts.open(archive.key, range)),
    };
  },
});

async function* streamOf(opened: Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await opened;
}
