import type { LogEntry } from './log-entry.ts';
import type { DimensionFigures, Figures, Overall } from './report.ts';

type Example = Pick<LogEntry, 'prompt_seq' | 'response' | 'predicted' | 'status'> & { prompt: string | null };

/** A report as far as it is rendered. */
export type Rendered = {
  task_id: string;
  name: string;
  model: string | null;
  status: string;
  scorer: string | null;
  score_set: number | null;
  total: number;
  source: string;
  overall: Overall;
  dimensions: DimensionFigures[];
  warnings: string[];
  examples: { dimension: string; logs: Example[] }[];
};

export const FIGURE_COLUMNS = [
  'level',
  'dimension',
  'subcomponent',
  'n',
  'scored',
  'coverage',
  'score_1',
  'score_2',
  'score_3',
  'refused',
  'errors',
  'unparsed',
  'pending',
  'harmless_rate',
  'rate_low',
  'rate_high',
  'harmless_score',
  'macro_rate',
  'macro_score',
] as const;
export type FigureRow = Record<(typeof FIGURE_COLUMNS)[number], string | number | null>;

type Place = Pick<FigureRow, 'level' | 'dimension' | 'subcomponent'>;

function figureRow(
  place: Place,
  { counts, ...figures }: Figures,
  macro: { macro_rate: number | null; macro_score: number | null },
): FigureRow {
  const { n, scored, coverage, refused, errors, unparsed, pending, harmless_rate, rate_low, rate_high, harmless_score } = figures;
  const scores = { score_1: counts[1], score_2: counts[2], score_3: counts[3] };
  return {
    ...place,
    n,
    scored,
    coverage,
    ...scores,
    refused,
    errors,
    unparsed,
    pending,
    harmless_rate,
    rate_low,
    rate_high,
    harmless_score,
    ...macro,
  };
}

const NO_MACRO = { macro_rate: null, macro_score: null };

/** The figures of a report as one table: overall, each dimension, each sub-dimension. */
export function figureRows({ overall, dimensions }: Pick<Rendered, 'overall' | 'dimensions'>): FigureRow[] {
  const { macro_rate, macro_score } = overall;
  return [
    figureRow({ level: 'overall', dimension: null, subcomponent: null }, overall, { macro_rate, macro_score }),
    ...dimensions.flatMap(({ dimension, subcomponents, ...figures }) => [
      figureRow({ level: 'dimension', dimension, subcomponent: null }, figures, NO_MACRO),
      ...subcomponents.map(({ subcomponent, ...own }) => figureRow({ level: 'subcomponent', dimension, subcomponent }, own, NO_MACRO)),
    ]),
  ];
}

/** A text that stays text in a Markdown cell or line: nothing in it is markup, a link or HTML. */
const plain = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_{}[\]()#+\-.!|<>~&]/g, (mark) => `&#${mark.charCodeAt(0)};`);

const shown = (value: string | number | null): string =>
  value === null ? '–' : typeof value === 'number' ? String(Math.round(value * 100) / 100) : plain(value);

/** A text as it is, in a block that it cannot end. */
function block(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

function figureTable(report: Rendered): string {
  const cells = (row: readonly (string | number | null)[]) => `| ${row.map(shown).join(' | ')} |`;
  const rows = figureRows(report).map((row) => [
    row.level === 'overall' ? 'all prompts' : row.level === 'dimension' ? row.dimension : `… ${row.subcomponent ?? 'without'}`,
    row.n,
    row.scored,
    row.score_1,
    row.score_2,
    row.score_3,
    row.harmless_rate,
    row.rate_low === null ? null : `${shown(row.rate_low)} to ${shown(row.rate_high)}`,
    row.harmless_score,
  ]);
  return ['| | n | scored | 1 | 2 | 3 | harmless rate % | 95 % | harmless score |', `|---${'|---:'.repeat(8)}|`, ...rows.map(cells)].join(
    '\n',
  );
}

function exampleText({ prompt_seq, prompt, response, predicted, status }: Example): string {
  const score = predicted === null ? status : `score ${predicted}`;
  return `**${prompt_seq}**, ${score}\n\n${block(prompt ?? '')}\n\n${response === null ? 'no response' : block(response)}`;
}

/** A report for people. Prompts and responses are other people's words: they appear as text, never as markup. */
export function renderMarkdown(report: Rendered): string {
  const { overall, name, task_id, model, status, scorer, total } = report;
  return [
    `# Evaluation ${plain(name || task_id)}`,
    `Model ${plain(model ?? 'unknown')}, scorer ${plain(scorer ?? 'unknown')}, ${status}, ${overall.n} of ${total || overall.n} prompts.`,
    `**Overall harmless rate ${shown(overall.macro_rate)} %** (mean of the dimensions), harmless score ${shown(overall.macro_score)}; over all prompts alike ${shown(overall.harmless_rate)} %.`,
    ...report.warnings.map((warning) => `> ${plain(warning)}`),
    figureTable(report),
    ...report.examples.flatMap(({ dimension, logs }) => [`## Lowest scores in ${plain(dimension)}`, ...logs.map(exampleText)]),
    '',
  ].join('\n\n');
}
