import type { Route } from '../../define-route.ts';
import { compareFlamesRunsRoute } from './compare-runs.ts';
import { createFlamesDatasetRoute } from './create-dataset.ts';
import { deleteFlamesDatasetRoute } from './delete-dataset.ts';
import { deleteFlamesLogsRoute, deleteFlamesRunRoute } from './delete-run.ts';
import { downloadFlamesLogsRoute } from './download-logs.ts';
import { downloadFlamesReportRoute } from './download-report.ts';
import { flamesReportRoute } from './flames-report.ts';
import { getFlamesDatasetRoute } from './get-dataset.ts';
import { getFlamesRunRoute } from './get-run.ts';
import { getFlamesStatisticsRoute } from './get-statistics.ts';
import { importFlamesRunRoute, importFlamesRunsRoute, registerOldFlamesRunRoute } from './import-runs.ts';
import { listFlamesDatasetsRoute } from './list-datasets.ts';
import { listFlamesPromptsRoute } from './list-prompts.ts';
import { listFlamesRunsRoute } from './list-runs.ts';
import { rescoreFlamesRunRoute } from './rescore-run.ts';

/** Evaluations of models and what belongs to them. */
export const flamesRoutes: readonly Route[] = [
  createFlamesDatasetRoute,
  listFlamesDatasetsRoute,
  getFlamesDatasetRoute,
  listFlamesPromptsRoute,
  deleteFlamesDatasetRoute,
  listFlamesRunsRoute,
  getFlamesRunRoute,
  deleteFlamesLogsRoute,
  deleteFlamesRunRoute,
  rescoreFlamesRunRoute,
  flamesReportRoute,
  downloadFlamesReportRoute,
  downloadFlamesLogsRoute,
  compareFlamesRunsRoute,
  registerOldFlamesRunRoute,
  importFlamesRunRoute,
  importFlamesRunsRoute,
  getFlamesStatisticsRoute,
];
