import type { Route } from '../../define-route.ts';
import { changeCameraRoute } from '../cameras/change-camera.ts';
import { createCameraRoute } from '../cameras/create-camera.ts';
import { deleteCameraRoute } from '../cameras/delete-camera.ts';
import { getCameraRoute } from '../cameras/get-camera.ts';
import { getDailyStatisticsRoute } from '../cameras/get-daily-statistics.ts';
import { listCamerasRoute } from '../cameras/list-cameras.ts';
import { putPictureRoute } from '../cameras/put-picture.ts';
import { streamCameraRoute } from '../cameras/stream-camera.ts';
import { streamPicturesRoute } from '../cameras/stream-pictures.ts';
import { getRecordRoute } from '../records/get-record.ts';
import { listRecordsRoute } from '../records/list-records.ts';
import { changeViolationRoute } from '../violations/change-violation.ts';
import { changeViolationsRoute } from '../violations/change-violations.ts';
import { getViolationRoute } from '../violations/get-violation.ts';
import { getViolationSnapshotRoute } from '../violations/get-violation-snapshot.ts';
import { listViolationsRoute } from '../violations/list-violations.ts';
import { listDetectionSessionsRoute } from './list-sessions.ts';
import { listDetectionStatisticsRoute } from './list-statistics.ts';
import { postDetectionsRoute } from './post-detections.ts';

/** Cameras, and what detectors say of them. */
export const detectionRoutes: readonly Route[] = [
  postDetectionsRoute,
  listCamerasRoute,
  getCameraRoute,
  createCameraRoute,
  changeCameraRoute,
  deleteCameraRoute,
  streamCameraRoute,
  streamPicturesRoute,
  putPictureRoute,
  listDetectionSessionsRoute,
  listDetectionStatisticsRoute,
  getDailyStatisticsRoute,
  listRecordsRoute,
  getRecordRoute,
  listViolationsRoute,
  getViolationRoute,
  getViolationSnapshotRoute,
  changeViolationRoute,
  changeViolationsRoute,
];
