import { z } from 'zod';
import { readLogs, type Selection, type ShownLog, sourceOf } from '../../../commands/flames-sources.ts';
import { EngineError } from '../../../core/errors.ts';
import { findScoreSet } from '../../../entities/task-flames.queries.ts';
import { copyLogs, LOG_COLUMNS, type LogColumn } from '../../../entities/task-flames-log.copy.ts';
import { text } from '../../../schemas/limits.ts';
import { csvLines } from '../../csv-lines.ts';
import { type Download, defineRoute, type RouteContext } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { ReportQuery, unknownSet, wantedReport } from './flames-report.ts';
import { placesOf, visibleRun } from './visible-run.ts';
import { type ZippedFile, zipped } from './zipped.ts';

const TYPES = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8', zip: 'application/zip' };

const rowOf = (task_id: string, log: ShownLog): Record<LogColumn, unknown> =>
  Object.fromEntries(LOG_COLUMNS.map((column) => [column, column === 'task_id' ? task_id : (log[column] ?? null)])) as Record<
    LogColumn,
    unknown
  >;

type Wanted = { ctx: RouteContext; selection: Selection };
type Form = 'ndjson' | 'csv';
type Chunks = AsyncIterable<string | Uint8Array>;

async function* rowsOf({ ctx, selection }: Wanted): AsyncGenerator<Record<LogColumn, unknown>[]> {
  for await (const batch of readLogs(ctx.em, placesOf(ctx), selection)) yield batch.map((log) => rowOf(selection.run.task_id, log));
}

async function* ndjson(wanted: Wanted): AsyncGenerator<string> {
  for await (const rows of rowsOf(wanted)) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Lines end as PostgreSQL ends them, the first one too: mixed ends are no CSV. */
const CSV_HEADER = `\uFEFF${LOG_COLUMNS.join(',')}\n`;

async function* copied(form: Form, { ctx, selection }: Wanted): AsyncGenerator<string | Uint8Array> {
  if (form === 'csv') yield CSV_HEADER;
  yield* copyLogs(ctx.em, form, { ...selection, task_id: selection.run.task_id });
}

/** Rows of the table are passed on as PostgreSQL writes them; those from elsewhere are written here. */
function textOf(form: Form, wanted: Wanted): Chunks {
  if (wanted.selection.source === 'database') return copied(form, wanted);
  return form === 'csv' ? csvLines(LOG_COLUMNS, rowsOf(wanted)) : ndjson(wanted);
}

/** One file for each dimension; names that are no names of files are made some. */
async function filesOf(wanted: Wanted, form: Form): Promise<ZippedFile[]> {
  const { ctx, selection } = wanted;
  const { dimensions } = await wantedReport(ctx, { task_id: selection.run.task_id, limit_per_dimension: 0 });
  const chosen = dimensions
    .map(({ dimension }) => dimension)
    .filter((name) => selection.dimension === null || name === selection.dimension);
  return chosen.map((dimension, i) => ({
    name: `${fileName(dimension) || `dimension ${i + 1}`}.${form}`,
    open: () => textOf(form, { ctx, selection: { ...selection, dimension } }),
  }));
}

const fileName = (dimension: string): string =>
  dimension
    .replaceAll(/[\\/:*?"<>|\p{Cc}]/gu, '_')
    .replace(/^\.+/, '_')
    .trim();

async function selectionOf(ctx: RouteContext, task_id: string, query: { dimension?: string; score_set?: number }): Promise<Selection> {
  const run = await visibleRun(ctx, task_id);
  const source = await sourceOf(ctx.em, placesOf(ctx), run);
  if (source === 'summary') throw new EngineError('not_found', `run ${task_id}: its rows were removed, only its figures are kept`);
  const { dimension = null, score_set = null } = query;
  if (score_set !== null && (source !== 'database' || !(await findScoreSet(ctx.em, task_id, score_set)))) {
    throw unknownSet(new EngineError('not_found', `run ${task_id}: it has no score set ${score_set}`));
  }
  return { run, source, score_set, dimension };
}

export const downloadFlamesLogsRoute = defineRoute({
  id: 'download_flames_logs',
  method: 'get',
  path: '/flames/download_flames_logs/{task_id}',
  summary: 'Download the rows of an evaluation, streamed: JSON lines, CSV, or a ZIP archive with one file for each dimension',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  query: z.strictObject({
    format: z.enum(['ndjson', 'csv', 'zip']).default('ndjson'),
    zip_of: z.enum(['ndjson', 'csv']).default('csv').describe('what is in the archive'),
    dimension: text(100).min(1).optional().describe('only of this one'),
    score_set: ReportQuery.score_set,
  }),
  response: { status: 200, schema: null, download: ['application/x-ndjson', 'text/csv', 'application/zip'] },
  handle: async ({ params, query: { format, zip_of, ...query } }, ctx): Promise<Download> => {
    const selection = await selectionOf(ctx, params.task_id, query);
    const wanted = { ctx, selection };
    const files = format === 'zip' ? await filesOf(wanted, zip_of) : [];
    const open = () => (format === 'zip' ? zipped(files) : textOf(format, wanted));
    const filename = `flames_logs_${params.task_id}.${format}`;
    return { download: true, content_type: TYPES[format], filename, size: null, open };
  },
});
