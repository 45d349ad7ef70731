import { AdmissionDecision } from './admission-decision.ts';
import { AlertHistory } from './alert-history.ts';
import { AlertRule } from './alert-rule.ts';
import { AlertState } from './alert-state.ts';
import { AuditLog } from './audit-log.ts';
import { Backfill } from './backfill.ts';
import { Breach } from './breach.ts';
import { BreachAction } from './breach-action.ts';
import { BulkAction } from './bulk-action.ts';
import { BulkActionItem } from './bulk-action-item.ts';
import { Camera } from './camera.ts';
import { CameraLive } from './camera-live.ts';
import { ConcurrencyKey } from './concurrency-key.ts';
import { ContainerLogSegment } from './container-log-segment.ts';
import { ContainerLogSource } from './container-log-source.ts';
import { Delivery } from './delivery.ts';
import { DeliveryLane } from './delivery-lane.ts';
import { DetectionFrames } from './detection-frames.ts';
import { DetectionMinute } from './detection-minute.ts';
import { DetectionRecord } from './detection-record.ts';
import { DetectionSession } from './detection-session.ts';
import { DockerContainer } from './docker-container.ts';
import { DockerImage } from './docker-image.ts';
import { DockerImageLog } from './docker-image-log.ts';
import { Feed } from './feed.ts';
import { FlamesCache } from './flames-cache.ts';
import { FlamesDataset } from './flames-dataset.ts';
import { FlamesPrompt } from './flames-prompt.ts';
import { FlamesScore } from './flames-score.ts';
import { FlamesScoreSet } from './flames-score-set.ts';
import { Grant } from './grant.ts';
import { IdempotencyKey } from './idempotency-key.ts';
import { Instance } from './instance.ts';
import { InstanceLog } from './instance-log.ts';
import { LogArchive } from './log-archive.ts';
import { LogStatsHourly } from './log-stats-hourly.ts';
import { LogTemplate } from './log-template.ts';
import { Notification } from './notification.ts';
import { Occurrence } from './occurrence.ts';
import { Pool } from './pool.ts';
import { PoolResize } from './pool-resize.ts';
import { PoolTotal } from './pool-total.ts';
import { Queue } from './queue.ts';
import { QuotaEntry } from './quota-entry.ts';
import { RateBucket } from './rate-bucket.ts';
import { RetentionRun } from './retention-run.ts';
import { Schedule } from './schedule.ts';
import { Script } from './script.ts';
import { Secret } from './secret.ts';
import { Sla } from './sla.ts';
import { SlaAction } from './sla-action.ts';
import { SlaClock } from './sla-clock.ts';
import { SlaCondition } from './sla-condition.ts';
import { SlaDeadline } from './sla-deadline.ts';
import { SlaVersion } from './sla-version.ts';
import { SlaWatch } from './sla-watch.ts';
import { Statistic } from './statistic.ts';
import { StatisticsHour } from './statistics-hour.ts';
import { Task } from './task.ts';
import { TaskDependency } from './task-dependency.ts';
import { TaskFlames } from './task-flames.ts';
import { TaskFlamesLog } from './task-flames-log.ts';
import { TaskHistory } from './task-history.ts';
import { TaskSla } from './task-sla.ts';
import { Template } from './template.ts';
import { TemplateRuntime } from './template-runtime.ts';
import { TemplateVersion } from './template-version.ts';
import { User } from './user.ts';
import { UserShare } from './user-share.ts';
import { Video } from './video.ts';
import { VideoEvent } from './video-event.ts';
import { VideoFile } from './video-file.ts';
import { ViolationEvent } from './violation-event.ts';
import { Worker } from './worker.ts';

/** Every table, in an order that respects foreign keys. */
export const entities = [
  User,
  Secret,
  Sla,
  SlaVersion,
  Pool,
  Queue,
  Worker,
  Template,
  TemplateVersion,
  Task,
  Instance,
  Grant,
  TaskHistory,
  AuditLog,
  IdempotencyKey,
  InstanceLog,
  TaskDependency,
  BulkAction,
  BulkActionItem,
  RetentionRun,
  Schedule,
  Backfill,
  Occurrence,
  ConcurrencyKey,
  RateBucket,
  UserShare,
  PoolTotal,
  TemplateRuntime,
  AdmissionDecision,
  Feed,
  Notification,
  Delivery,
  DeliveryLane,
  SlaCondition,
  SlaDeadline,
  SlaAction,
  TaskSla,
  SlaClock,
  Breach,
  BreachAction,
  SlaWatch,
  PoolResize,
  Camera,
  DetectionSession,
  DetectionFrames,
  DetectionMinute,
  DetectionRecord,
  ViolationEvent,
  StatisticsHour,
  AlertRule,
  AlertState,
  AlertHistory,
  CameraLive,
  Script,
  Video,
  VideoFile,
  VideoEvent,
  Statistic,
  QuotaEntry,
  FlamesDataset,
  FlamesPrompt,
  TaskFlames,
  TaskFlamesLog,
  FlamesCache,
  FlamesScoreSet,
  FlamesScore,
  ContainerLogSegment,
  ContainerLogSource,
  DockerContainer,
  DockerImage,
  DockerImageLog,
  LogArchive,
  LogStatsHourly,
  LogTemplate,
] as const;
