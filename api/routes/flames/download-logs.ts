import { z } from 'zod';
import { readLogs, type Selection, type ShownLog, sourceOf } from '../../../commands/flames-sources.ts';
import { EngineError } from '../../../core/errors.ts';
import { findScoreSet } from '../../../entities/task-flames.queries.ts';
import { text } from '../../../schemas/limits.ts';
import { csvLines } from '../../csv-lines.ts';
import { type Download, defineRoute, type RouteContext } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { ReportQuery, unknownSet, wantedReport } from './flames-report.ts';
import { placesOf, visibleRun } from './visible-run.ts';
import { zipped } from './zipped.ts';

const COLUMNS = [
  'task_id',
  'prompt_seq',
  'epoch',
  'dimension',
  'subcomponent',
  'prompt',
  'response',
  'predicted',
  'status',
  'error',
  'judgement',
  'scorer',
  'attempts',
  'latency_ms',
  'prompt_tokens',
  'completion_tokens',
  'cached',
  'created_at',
] as const;
type Column = (typeof COLUMNS)[number];

const TYPES = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8', zip: 'application/zip' };

const rowOf = (task_id: string, log: ShownLog): Record<Column, unknown> =>
  Object.fromEntries(COLUMNS.map((column) => [column, column === 'task_id' ? task_id : (log[column] ?? null)])) as Record<Column, unknown>;

type Wanted = { ctx: RouteContext; selection: Selection };

async function* rowsOf({ ctx, selection }: Wanted): AsyncGenerator<Record<Column, unknown>[]> {
  for await (const batch of readLogs(ctx.em, placesOf(ctx), selection)) yield batch.map((log) => rowOf(selection.run.task_id, log));
}

async function* ndjson(wanted: Wanted): AsyncGenerator<string> {
  for await (const rows of rowsOf(wanted)) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

const textOf = (form: 'ndjson' | 'csv', wanted: Wanted): AsyncIterable<string> =>
  form === 'csv' ? csvLines(COLUMNS, rowsOf(wanted)) : ndjson(wanted);

/** One file for each dimension; names that are no names of files are made some. */
async function archive(wanted: Wanted, form: 'ndjson' | 'csv'): Promise<AsyncIterable<Uint8Array>> {
  const { ctx, selection } = wanted;
  const { dimensions } = await wantedReport(ctx, { task_id: selection.run.task_id, limit_per_dimension: 0 });
  const chosen = dimensions
    .map(({ dimension }) => dimension)
    .filter((name) => selection.dimension === null || name === selection.dimension);
  const files = chosen.map((dimension, i) => ({
    name: `${fileName(dimension) || `dimension ${i + 1}`}.${form}`,
    open: () => textOf(form, { ctx, selection: { ...selection, dimension } }),
  }));
  return zipped(files);
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
    const content = format === 'zip' ? await archive({ ctx, selection }, zip_of) : textOf(format, { ctx, selection });
    const filename = `flames_logs_${params.task_id}.${format}`;
    return { download: true, content_type: TYPES[format], filename, size: null, open: () => content };
  },
});
