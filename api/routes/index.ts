import type { Route } from '../define-route.ts';
import { getDatabaseRoute } from './admin/get-database.ts';
import { getInvariantsRoute } from './admin/get-invariants.ts';
import { getRetentionRunRoute } from './admin/get-retention-run.ts';
import { listRetentionRunsRoute } from './admin/list-retention-runs.ts';
import { requestRetentionRoute } from './admin/request-retention.ts';
import { alertRoutes } from './alerts/index.ts';
import { listAuditLogRoute } from './audit-log/list-audit-log.ts';
import { acknowledgeBreachRoute, resolveBreachRoute, snoozeBreachRoute } from './breaches/change-breach.ts';
import { getBreachRoute } from './breaches/get-breach.ts';
import { listBreachesRoute } from './breaches/list-breaches.ts';
import { streamBreachesRoute } from './breaches/stream-breaches.ts';
import { cancelBulkActionRoute } from './bulk-actions/cancel-bulk-action.ts';
import { createBulkActionRoute } from './bulk-actions/create-bulk-action.ts';
import { getBulkActionRoute } from './bulk-actions/get-bulk-action.ts';
import { listBulkActionItemsRoute } from './bulk-actions/list-bulk-action-items.ts';
import { listBulkActionsRoute } from './bulk-actions/list-bulk-actions.ts';
import { containerLogRoutes } from './container-logs/index.ts';
import { getDeliveryRoute } from './deliveries/get-delivery.ts';
import { listDeliveriesRoute } from './deliveries/list-deliveries.ts';
import { retryDeliveryRoute } from './deliveries/retry-delivery.ts';
import { detectionRoutes } from './detections/index.ts';
import { dockerRoutes } from './docker/index.ts';
import { flamesRoutes } from './flames/index.ts';
import { getInstanceRoute } from './instances/get-instance.ts';
import { getInstanceLogsRoute } from './instances/get-instance-logs.ts';
import { listInstancesRoute } from './instances/list-instances.ts';
import { streamInstanceLogsRoute } from './instances/stream-instance-logs.ts';
import { listNotificationsRoute } from './notifications/list-notifications.ts';
import { readNotificationRoute } from './notifications/read-notification.ts';
import { streamNotificationsRoute } from './notifications/stream-notifications.ts';
import { changePoolRoute } from './pools/change-pool.ts';
import { createPoolRoute } from './pools/create-pool.ts';
import { deletePoolRoute } from './pools/delete-pool.ts';
import { getPoolRoute } from './pools/get-pool.ts';
import { listPoolsRoute } from './pools/list-pools.ts';
import { drainPoolRoute, holdPoolRoute, resumePoolRoute } from './pools/set-pool-status.ts';
import { changeQueueRoute } from './queues/change-queue.ts';
import { createQueueRoute } from './queues/create-queue.ts';
import { deleteQueueRoute } from './queues/delete-queue.ts';
import { getQueueRoute } from './queues/get-queue.ts';
import { listQueuesRoute } from './queues/list-queues.ts';
import { drainQueueRoute, holdQueueRoute, resumeQueueRoute } from './queues/set-queue-status.ts';
import { cancelBackfillRoute } from './schedules/cancel-backfill.ts';
import { changeScheduleRoute } from './schedules/change-schedule.ts';
import { createBackfillRoute } from './schedules/create-backfill.ts';
import { createScheduleRoute } from './schedules/create-schedule.ts';
import { deleteScheduleRoute } from './schedules/delete-schedule.ts';
import { getBackfillRoute } from './schedules/get-backfill.ts';
import { getScheduleRoute } from './schedules/get-schedule.ts';
import { listBackfillsRoute } from './schedules/list-backfills.ts';
import { listOccurrencesRoute } from './schedules/list-occurrences.ts';
import { listSchedulesRoute } from './schedules/list-schedules.ts';
import { pauseScheduleRoute } from './schedules/pause-schedule.ts';
import { previewRuleRoute, previewScheduleRoute } from './schedules/preview-schedule.ts';
import { resumeScheduleRoute } from './schedules/resume-schedule.ts';
import { runScheduleNowRoute } from './schedules/run-schedule-now.ts';
import { createSecretRoute } from './secrets/create-secret.ts';
import { deleteSecretRoute } from './secrets/delete-secret.ts';
import { listSecretsRoute } from './secrets/list-secrets.ts';
import { replaceSecretRoute } from './secrets/replace-secret.ts';
import { changeSlaRoute } from './slas/change-sla.ts';
import { createSlaRoute } from './slas/create-sla.ts';
import { deleteSlaRoute } from './slas/delete-sla.ts';
import { getComplianceRoute } from './slas/get-compliance.ts';
import { getSlaRoute } from './slas/get-sla.ts';
import { listSlaVersionsRoute } from './slas/list-sla-versions.ts';
import { listSlasRoute } from './slas/list-slas.ts';
import { rebindSlaRoute } from './slas/rebind-sla.ts';
import { testSlaRoute } from './slas/test-sla.ts';
import { cancelTaskRoute } from './tasks/cancel-task.ts';
import { changeTaskRoute } from './tasks/change-task.ts';
import { explainTaskRoute } from './tasks/explain-task.ts';
import { getTaskRoute } from './tasks/get-task.ts';
import { getTaskLogsRoute } from './tasks/get-task-logs.ts';
import { holdTaskRoute, releaseTaskRoute } from './tasks/hold-task.ts';
import { listTaskDependenciesRoute } from './tasks/list-task-dependencies.ts';
import { listTaskHistoryRoute } from './tasks/list-task-history.ts';
import { listTaskInstancesRoute } from './tasks/list-task-instances.ts';
import { listTasksRoute } from './tasks/list-tasks.ts';
import { retryTaskRoute } from './tasks/retry-task.ts';
import { submitTasksRoute } from './tasks/submit-tasks.ts';
import { changeTemplateRoute } from './templates/change-template.ts';
import { createTemplateRoute } from './templates/create-template.ts';
import { createTemplateVersionRoute } from './templates/create-template-version.ts';
import { deleteTemplateRoute } from './templates/delete-template.ts';
import { getTemplateRoute } from './templates/get-template.ts';
import { listTemplatesRoute } from './templates/list-templates.ts';
import { changeUserRoute } from './users/change-user.ts';
import { createUserRoute } from './users/create-user.ts';
import { getMeRoute } from './users/get-me.ts';
import { getUserRoute } from './users/get-user.ts';
import { listUsersRoute } from './users/list-users.ts';
import { revokeApiKeyRoute } from './users/revoke-api-key.ts';
import { rotateApiKeyRoute } from './users/rotate-api-key.ts';
import { videoRoutes } from './video/index.ts';
import { getWorkerRoute } from './workers/get-worker.ts';
import { listWorkersRoute } from './workers/list-workers.ts';
import { drainWorkerRoute, resumeWorkerRoute } from './workers/set-worker-status.ts';

/** Every route under /api/v1; fixed paths (`/users/me`) stand before those with parameters. The rights test and the OpenAPI document walk this list. */
export const routes: readonly Route[] = [
  cancelTaskRoute,
  changeTaskRoute,
  explainTaskRoute,
  getTaskLogsRoute,
  getTaskRoute,
  holdTaskRoute,
  releaseTaskRoute,
  listTaskDependenciesRoute,
  listTaskHistoryRoute,
  listTaskInstancesRoute,
  listTasksRoute,
  retryTaskRoute,
  submitTasksRoute,
  cancelBulkActionRoute,
  createBulkActionRoute,
  getBulkActionRoute,
  listBulkActionItemsRoute,
  listBulkActionsRoute,
  getInstanceLogsRoute,
  getInstanceRoute,
  listInstancesRoute,
  streamInstanceLogsRoute,
  changeTemplateRoute,
  createTemplateVersionRoute,
  createTemplateRoute,
  deleteTemplateRoute,
  getTemplateRoute,
  listTemplatesRoute,
  changeQueueRoute,
  createQueueRoute,
  deleteQueueRoute,
  getQueueRoute,
  listQueuesRoute,
  holdQueueRoute,
  resumeQueueRoute,
  drainQueueRoute,
  changePoolRoute,
  createPoolRoute,
  deletePoolRoute,
  getPoolRoute,
  listPoolsRoute,
  holdPoolRoute,
  resumePoolRoute,
  drainPoolRoute,
  getWorkerRoute,
  listWorkersRoute,
  drainWorkerRoute,
  resumeWorkerRoute,
  getMeRoute,
  changeUserRoute,
  createUserRoute,
  getUserRoute,
  listUsersRoute,
  revokeApiKeyRoute,
  rotateApiKeyRoute,
  createSecretRoute,
  deleteSecretRoute,
  listSecretsRoute,
  replaceSecretRoute,
  previewRuleRoute,
  previewScheduleRoute,
  cancelBackfillRoute,
  changeScheduleRoute,
  createBackfillRoute,
  createScheduleRoute,
  deleteScheduleRoute,
  getBackfillRoute,
  getScheduleRoute,
  listBackfillsRoute,
  listOccurrencesRoute,
  listSchedulesRoute,
  pauseScheduleRoute,
  resumeScheduleRoute,
  runScheduleNowRoute,
  createSlaRoute,
  listSlasRoute,
  getSlaRoute,
  changeSlaRoute,
  deleteSlaRoute,
  listSlaVersionsRoute,
  rebindSlaRoute,
  testSlaRoute,
  getComplianceRoute,
  streamBreachesRoute,
  listBreachesRoute,
  getBreachRoute,
  acknowledgeBreachRoute,
  snoozeBreachRoute,
  resolveBreachRoute,
  streamNotificationsRoute,
  listNotificationsRoute,
  readNotificationRoute,
  listDeliveriesRoute,
  getDeliveryRoute,
  retryDeliveryRoute,
  listAuditLogRoute,
  getInvariantsRoute,
  getDatabaseRoute,
  requestRetentionRoute,
  listRetentionRunsRoute,
  getRetentionRunRoute,
  ...videoRoutes,
  ...flamesRoutes,
  ...detectionRoutes,
  ...alertRoutes,
  ...containerLogRoutes,
  ...dockerRoutes,
];
