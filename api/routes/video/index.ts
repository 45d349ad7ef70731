import type { Route } from '../../define-route.ts';
import { exportTasksRoute } from '../export/export-tasks.ts';
import { listQuotaLedgerRoute } from '../quota-ledger/list-quota-ledger.ts';
import { getStatisticsRoute } from '../statistics/get-statistics.ts';
import { getStatusCountsRoute } from '../statistics/get-status-counts.ts';
import { recomputeStatisticsRoute } from '../statistics/recompute-statistics.ts';
import { cancelVideoRoute } from './cancel-video.ts';
import { deleteVideoFilesRoute } from './delete-video-files.ts';
import { getSceneFileRoute, getSceneThumbnailRoute } from './get-scene-file.ts';
import { getVideoRoute } from './get-video.ts';
import { getVideoFileRoute, getVideoThumbnailRoute } from './get-video-file.ts';
import { getVideoStorageRoute } from './get-video-storage.ts';
import { getVideoSubtitlesRoute } from './get-video-subtitles.ts';
import { listVideosRoute } from './list-videos.ts';
import { retryVideoRoute } from './retry-video.ts';
import { streamVideoEventsRoute } from './stream-video-events.ts';
import { submitVideoRoute } from './submit-video.ts';

/** Routes of videos, and of what belongs to them: statistics, the ledger of the quota, the export. */
export const videoRoutes: readonly Route[] = [
  submitVideoRoute,
  listVideosRoute,
  getVideoRoute,
  cancelVideoRoute,
  retryVideoRoute,
  streamVideoEventsRoute,
  getVideoFileRoute,
  getVideoThumbnailRoute,
  getSceneFileRoute,
  getSceneThumbnailRoute,
  getVideoSubtitlesRoute,
  deleteVideoFilesRoute,
  getVideoStorageRoute,
  getStatisticsRoute,
  getStatusCountsRoute,
  recomputeStatisticsRoute,
  listQuotaLedgerRoute,
  exportTasksRoute,
];
