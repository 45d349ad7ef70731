import { z } from 'zod';
import { listSegments } from '../../../entities/log-segment.queries.ts';
import { LogSegment, SegmentFilter } from '../../../schemas/log-segment.ts';
import { csvLines } from '../../csv-lines.ts';
import { type Download, defineRoute, type RouteContext } from '../../define-route.ts';
import { scopeOf } from '../scope.ts';

const FORMATS = ['text', 'ndjson', 'csv'] as const;
const TYPES = { text: 'text/plain', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;
const PAGE = 500;
const COLUMNS = Object.keys(LogSegment.shape);

type Filter = Parameters<typeof listSegments>[1]['filter'];

/** Pages of segments in the order of their lines, each read when the one before was taken. */
async function* pagesOf(ctx: RouteContext, filter: Filter): AsyncGenerator<LogSegment[]> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listSegments>> = await listSegments(
      ctx.em,
      { filter, sort: 'line_number' },
      { limit: PAGE, cursor },
    );
    yield page.items;
    cursor = page.next_cursor;
  } while (cursor !== null && !ctx.signal.aborted);
}

async function* eachAs(pages: AsyncIterable<LogSegment[]>, show: (segment: LogSegment) => string): AsyncGenerator<string> {
  for await (const segments of pages) if (segments.length > 0) yield segments.map((segment) => `${show(segment)}\n`).join('');
}

const linesOf = (pages: AsyncIterable<LogSegment[]>): Record<(typeof FORMATS)[number], () => AsyncIterable<string>> => ({
  text: () => eachAs(pages, ({ content }) => content),
  ndjson: () => eachAs(pages, (segment) => JSON.stringify(segment)),
  csv: () => csvLines(COLUMNS, pages),
});

export const exportSegmentsRoute = defineRoute({
  id: 'exportSegments',
  method: 'get',
  path: '/container-logs/export',
  summary: 'Download log segments in the order of their lines: the lines themselves, NDJSON or CSV',
  tags: ['container logs'],
  rights: 'user',
  query: z.strictObject({ ...SegmentFilter, format: z.enum(FORMATS).default('text') }),
  response: { status: 200, schema: null, download: ['text/plain', 'application/x-ndjson', 'text/csv'] },
  handle: async ({ query: { format, ...filter } }, ctx): Promise<Download> => ({
    download: true,
    content_type: `${TYPES[format]}; charset=utf-8`,
    filename: `segments.${format === 'text' ? 'log' : format}`,
    size: null,
    open: () => linesOf(pagesOf(ctx, { ...filter, ...scopeOf(ctx.actor) }))[format](),
  }),
});
