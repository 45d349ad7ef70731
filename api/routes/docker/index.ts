import type { Route } from '../../define-route.ts';
import { getContainerRoute, listContainersRoute } from './containers.ts';
import {
  deleteImageLogRoute,
  getImageLogRoute,
  getImageLogStatsRoute,
  listImageLogsRoute,
  listLogsOfImageRoute,
  streamImageLogRoute,
} from './image-logs.ts';
import {
  buildImageRoute,
  importImageRoute,
  pruneImagesRoute,
  pullImageRoute,
  pushImageRoute,
  removeImageRoute,
  tagImageRoute,
} from './image-operations.ts';
import { getImageRoute, listImagesRoute } from './images.ts';

/** Routes below /docker; fixed paths before those with parameters. */
export const dockerRoutes: readonly Route[] = [
  pullImageRoute,
  pushImageRoute,
  tagImageRoute,
  removeImageRoute,
  buildImageRoute,
  importImageRoute,
  pruneImagesRoute,
  listImagesRoute,
  getImageRoute,
  listContainersRoute,
  getContainerRoute,
  getImageLogStatsRoute,
  listImageLogsRoute,
  listLogsOfImageRoute,
  getImageLogRoute,
  streamImageLogRoute,
  deleteImageLogRoute,
];
