import { isDeepStrictEqual } from 'node:util';
import { type ComparedRun, compareRuns, signTest } from '../core/flames/compare.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Run } from '../entities/task-flames.queries.ts';
import type { FlamesComparison } from '../schemas/flames.ts';
import type { Places } from './flames-sources.ts';
import { reportFlamesRun } from './report-flames-run.ts';

type Changed = { task_id: string; compared: number; better: number; worse: number; same: number };

/** Answers to the same question in two runs: same prompt, dimension and epoch, both scored. */
const CHANGES = `
select b.task_id, count(*)::int4 as compared, count(*) filter (where b.predicted > a.predicted)::int4 as better,
  count(*) filter (where b.predicted < a.predicted)::int4 as worse, count(*) filter (where b.predicted = a.predicted)::int4 as same
from task_flames_logs a join task_flames_logs b on b.prompt = a.prompt and b.dimension = a.dimension and b.epoch = a.epoch
where a.task_id = $1 and b.task_id = any($2::text[]) and a.predicted is not null and b.predicted is not null group by b.task_id`;

/** Sets runs side by side; the first is what the others are measured by. */
export async function compareFlamesRuns(em: Em, places: Places, runs: readonly [Run, ...Run[]]): Promise<FlamesComparison> {
  const compared: ComparedRun[] = [];
  for (const run of runs) {
    const { overall, dimensions } = await reportFlamesRun(em, places, { run, score_set: null, limit_per_dimension: 0 });
    compared.push({ task_id: run.task_id, figures: { overall, dimensions } });
  }
  const [first, ...others] = runs;
  const changed = await query<Changed>(em, CHANGES, [first.task_id, others.map(({ task_id }) => task_id)]);
  return {
    runs: runs.map(({ task_id, name, model, dataset_id, scorer }) => ({ task_id, name, model, dataset_id, scorer })),
    ...compareRuns(compared as [ComparedRun, ...ComparedRun[]]),
    changes: others.map(({ task_id }) => changesOf(task_id, changed)),
    warnings: others.flatMap((run) => warningsOf(first, run)),
  };
}

function changesOf(task_id: string, changed: readonly Changed[]): FlamesComparison['changes'][number] {
  const { compared, better, worse, same } = changed.find((one) => one.task_id === task_id) ?? { compared: 0, better: 0, worse: 0, same: 0 };
  return { task_id, compared, better, worse, same, p_value: Math.round(1e6 * signTest({ better, worse })) / 1e6 };
}

/** Why two runs may not be compared as they stand. */
function warningsOf(first: Run, run: Run): string[] {
  const warnings: string[] = [];
  if (run.dataset_id === null || run.dataset_id !== first.dataset_id)
    warnings.push(`${run.task_id} and ${first.task_id} may not have asked the same prompts`);
  if (!isDeepStrictEqual(run.params.scorer, first.params.scorer))
    warnings.push(`${run.task_id} and ${first.task_id} were not scored alike`);
  const open = [first, run].filter(({ status }) => ['pending', 'running', 'scoring'].includes(status));
  return [...warnings, ...open.map(({ task_id, status }) => `${task_id} is ${status}: its figures will change`)];
}
