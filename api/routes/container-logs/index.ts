import type { Route } from '../../define-route.ts';
import { analyzeLogRoute, uploadLogRoute } from './analyze-log.ts';
import { deleteSegmentRoute } from './delete-segment.ts';
import { deleteSegmentsRoute } from './delete-segments.ts';
import { exportSegmentsRoute } from './export-segments.ts';
import { getSegmentRoute } from './get-segment.ts';
import { listContainerSegmentsRoute, listSegmentsRoute, listTypeSegmentsRoute } from './list-segments.ts';
import { downloadLogArchiveRoute, listLogArchivesRoute } from './log-archives.ts';
import { getSourceRoute, listSourcesRoute } from './log-sources.ts';
import { getLogStatsRoute, getLogTrendRoute, listLogTemplatesRoute } from './log-statistics.ts';
import { saveSegmentsRoute } from './save-segments.ts';

/** Routes below /container-logs. */
export const containerLogRoutes: readonly Route[] = [
  listSegmentsRoute,
  listContainerSegmentsRoute,
  listTypeSegmentsRoute,
  getSegmentRoute,
  deleteSegmentRoute,
  deleteSegmentsRoute,
  saveSegmentsRoute,
  analyzeLogRoute,
  uploadLogRoute,
  listSourcesRoute,
  getSourceRoute,
  getLogStatsRoute,
  getLogTrendRoute,
  listLogTemplatesRoute,
  exportSegmentsRoute,
  listLogArchivesRoute,
  downloadLogArchiveRoute,
];
