import writeXlsxFile from 'write-excel-file/node';
import { z } from 'zod';
import { FIGURE_COLUMNS, figureRows, renderMarkdown } from '../../../core/flames/render.ts';
import { FlamesReport } from '../../../schemas/flames.ts';
import { csvLines } from '../../csv-lines.ts';
import { type Download, defineRoute } from '../../define-route.ts';
import { FlamesRunPath } from '../paths.ts';
import { ReportQuery, wantedReport } from './flames-report.ts';

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

/** What a cell of a workbook holds at most. */
const MOST_CHARACTERS = 32_000;

type Form = { type: string; extension: string; render(report: FlamesReport): AsyncIterable<string | Uint8Array> };

async function* once(text: string | Promise<Uint8Array>): AsyncGenerator<string | Uint8Array> {
  yield await text;
}

async function* oneBatch<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows;
}

const cell = (value: string | number | null) =>
  typeof value === 'string' ? { value: value.slice(0, MOST_CHARACTERS).toWellFormed(), type: String } : value;
const head = (names: readonly string[]) => names.map((value) => ({ value, fontWeight: 'bold' as const }));

const EXAMPLE_COLUMNS = ['dimension', 'subcomponent', 'prompt_seq', 'predicted', 'status', 'prompt', 'response', 'judgement'] as const;

/** Two sheets: the figures, and the examples. Texts are cells of type text, which no program takes for formulas. */
async function workbook(report: FlamesReport): Promise<Uint8Array> {
  const figures = figureRows(report).map((row) => FIGURE_COLUMNS.map((column) => cell(row[column])));
  const examples = report.examples.flatMap(({ logs }) => logs.map((log) => EXAMPLE_COLUMNS.map((column) => cell(log[column]))));
  const sheets = [
    { sheet: 'Figures', data: [head(FIGURE_COLUMNS), ...figures], stickyRowsCount: 1 },
    { sheet: 'Lowest scores', data: [head(EXAMPLE_COLUMNS), ...examples], stickyRowsCount: 1 },
  ];
  return await writeXlsxFile(sheets as never).toBuffer();
}

const FORMS: Record<'json' | 'csv' | 'markdown' | 'xlsx', Form> = {
  json: {
    type: 'application/json',
    extension: 'json',
    render: (report) => once(`${JSON.stringify(FlamesReport.parse(report), null, 2)}\n`),
  },
  csv: { type: 'text/csv', extension: 'csv', render: (report) => csvLines(FIGURE_COLUMNS, oneBatch(figureRows(report))) },
  markdown: { type: 'text/markdown', extension: 'md', render: (report) => once(renderMarkdown(report)) },
  xlsx: { type: XLSX, extension: 'xlsx', render: (report) => once(workbook(report)) },
};

export const downloadFlamesReportRoute = defineRoute({
  id: 'download_flames_report',
  method: 'get',
  path: '/flames/download_flames_report/{task_id}',
  summary: 'Download the report of an evaluation as JSON, CSV (figures), Markdown or XLSX',
  tags: ['flames'],
  rights: 'user',
  params: FlamesRunPath,
  query: z.strictObject({ ...ReportQuery, format: z.enum(['json', 'csv', 'markdown', 'xlsx']).default('json') }),
  response: { status: 200, schema: null, download: ['application/json', 'text/csv', 'text/markdown', XLSX] },
  handle: async ({ params, query: { format, ...query } }, ctx): Promise<Download> => {
    const report = await wantedReport(ctx, { ...params, ...query });
    const { type, extension, render } = FORMS[format];
    const content_type = type.startsWith('text/') ? `${type}; charset=utf-8` : type;
    return {
      download: true,
      content_type,
      filename: `flames_report_${report.task_id}.${extension}`,
      size: null,
      open: () => render(report),
    };
  },
});
