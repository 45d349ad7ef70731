import { EngineError } from '../core/errors.ts';
import { byDimensionOf, lowestOf } from '../core/flames/examples.ts';
import type { LogEntry } from '../core/flames/log-entry.ts';
import { type FlamesFigures, figuresOfRun, warningsOf } from '../core/flames/report.ts';
import { tallyEntries } from '../engines/flames/figures.ts';
import { tallyScores } from '../entities/flames-score.queries.ts';
import type { Em } from '../entities/sql.ts';
import { findScoreSet, type Run, type ScoreSet } from '../entities/task-flames.queries.ts';
import { readLowest, tallyLogs } from '../entities/task-flames-log.queries.ts';
import type { FlamesReport } from '../schemas/flames.ts';
import { type Places, readLogs, type Source, shownSource, sourceOf } from './flames-sources.ts';

/** What a report is to show. `score_set` null: the run's own scores. */
export type ReportRequest = { run: Run; score_set: number | null; limit_per_dimension: number };

type Content = { figures: FlamesFigures; lowest: LogEntry[] };

const DEFAULT_COVERAGE = 0.98;

/**
 * The figures of a run with its lowest-scored examples, computed from its rows wherever they are; once they were removed, as they were kept.
 * @throws EngineError not_found: the run has no such score set
 */
export async function reportFlamesRun(em: Em, places: Places, request: ReportRequest): Promise<FlamesReport> {
  const { run, score_set } = request;
  const set = score_set === null ? null : await findScoreSet(em, run.task_id, score_set);
  if (score_set !== null && !set) throw new EngineError('not_found', `run ${run.task_id}: it has no score set ${score_set}`);
  const source = await sourceOf(em, places, run);
  const { figures, lowest } = await contentOf(em, places, { ...request, set, source });
  const { min_coverage } = run.params;
  const least = 100 * (typeof min_coverage === 'number' ? min_coverage : DEFAULT_COVERAGE);
  return {
    task_id: run.task_id,
    name: run.name,
    model: run.model,
    dataset_id: run.dataset_id,
    status: set?.status ?? run.status,
    scorer: set ? set.scorer : run.scorer,
    score_set,
    total: set?.total ?? run.total,
    source: shownSource(source),
    ...figures,
    warnings: warningsOf(figures, least),
    examples: byDimensionOf(lowest),
  };
}

type ContentRequest = ReportRequest & { set: ScoreSet | null; source: Source };

async function contentOf(em: Em, places: Places, request: ContentRequest): Promise<Content> {
  const { run, set, source, score_set, limit_per_dimension } = request;
  if (source === 'summary' || (set && source !== 'database')) return { figures: keptFigures(set?.result ?? run.result), lowest: [] };
  if (source === 'database') {
    const lowest = limit_per_dimension === 0 ? [] : await readLowest(em, { task_id: run.task_id, score_set, limit_per_dimension });
    return { figures: figuresOfRun(set ? await tallyScores(em, set.id) : await tallyLogs(em, run.task_id)), lowest };
  }
  const entries: LogEntry[] = [];
  for await (const batch of readLogs(em, places, { run, source, score_set: null, dimension: null })) entries.push(...batch);
  return { figures: figuresOfRun(await tallyEntries(entries)), lowest: lowestOf(entries, limit_per_dimension) };
}

/** Figures as they were stored; none where an old run never had any. */
function keptFigures(result: unknown): FlamesFigures {
  const { overall, dimensions } = (result ?? {}) as Partial<FlamesFigures>;
  return overall && dimensions ? { overall, dimensions } : figuresOfRun([]);
}
