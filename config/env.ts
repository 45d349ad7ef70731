import path from 'node:path';
import { z } from 'zod';
import { EngineError } from '../core/errors.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const seconds = z.coerce.number().positive().max(86_400);
const days = z.coerce.number().int().min(0).max(36_500);
const flag = z.enum(['on', 'off', 'true', 'false', '1', '0']).transform((v) => ['on', 'true', '1'].includes(v));
const list = z.string().transform((v) =>
  v
    .split(',')
    .map((s) => s.trim())
    .filter(Boolean),
);

/** Every setting, its meaning, unit and default. `docs/configuration.md` is made from this list. */
const Environment = z.object({
  DATA_DIR: z.string().default('.data').describe('folder of the embedded servers, keys and worker state'),
  ARTIFACTS_DIR: z
    .string()
    .optional()
    .describe('folder of large results (videos, downloads, archives), shared by all processes; default: artifacts in DATA_DIR'),
  HOST: z.string().default('127.0.0.1').describe('address that the API and embedded servers listen on'),
  API_PORT: port.default(3000).describe('port of the REST API; moved upwards when occupied'),
  DATABASE_URL: z.url().optional().describe('external PostgreSQL; switches the embedded one off'),
  POSTGRES_PORT: port.default(5433).describe('port of the embedded PostgreSQL; moved when occupied'),
  DB_POOL_MAX: z.coerce.number().int().min(2).max(200).default(10).describe('database connections per process'),
  TEMPORAL_ADDRESS: z.string().optional().describe('host:port of an external Temporal; switches the embedded one off'),
  TEMPORAL_NAMESPACE: z.string().default('default').describe('Temporal namespace'),
  TEMPORAL_API_KEY: z.string().optional().describe('API key for Temporal Cloud'),
  TEMPORAL_TLS: flag.default(false).describe('connect to Temporal with TLS'),
  TEMPORAL_PORT: port.default(7233).describe('port of the embedded Temporal; moved when occupied'),
  TEMPORAL_UI_PORT: port.default(8233).describe('port of the embedded Temporal UI; moved when occupied'),
  TEMPORAL_UI_URL: z.url().optional().describe('base address of Temporal UI, for links'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').describe('least level of log lines'),
  SHUTDOWN_GRACE_S: seconds.default(30).describe('how long a worker waits for running work when it is stopped'),
  POOL: z.string().default('default').describe('pool that a worker process serves'),
  WORKER_ID: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/)
    .optional()
    .describe('stable id of a worker; by default made once and kept in DATA_DIR'),
  WORKER_CPU: z.coerce.number().positive().optional().describe('cores that a worker offers; default: those of the machine'),
  WORKER_MEMORY_MB: z.coerce
    .number()
    .int()
    .positive()
    .optional()
    .describe('memory in MB that a worker offers; default: 80 % of the machine'),
  WORKER_DISPATCHER: flag.default(true).describe('whether a worker process runs a dispatcher too'),
  WAVES: flag
    .default(true)
    .describe('whether short tasks that start together share a workflow, as far as their engine or template allows it'),
  WAVE_SIZE: z.coerce
    .number()
    .int()
    .min(4)
    .max(200)
    .optional()
    .describe(
      'the most tasks that share a workflow; default: 200 with the embedded Temporal, else 50, since an external one has to allow search attributes of 41 bytes for each (frontend.searchAttributesSizeOfValueLimit, by default 2048)',
    ),
  LOST_AFTER_S: seconds.default(60).describe('silence after which a worker counts as lost'),
  HEARTBEAT_TIMEOUT_S: seconds.default(30).describe('heartbeat time-out of engine activities in Temporal'),
  RECONCILE_EVERY_S: seconds.default(15).describe('pause between two passes of the reconciler'),
  POLL_EVERY_S: seconds.default(1).describe('the longest time until the dispatcher looks again by itself'),
  ENGINE_SHELL: flag.default(true).describe('whether shell tasks are run at all'),
  SHELL_UID_BASE: z.coerce
    .number()
    .int()
    .min(1000)
    .default(64_000)
    .describe('first of 1,000 user ids that shell tasks run as where the worker is root'),
  OUTBOUND_ALLOW: list.default([]).describe('comma-separated CIDRs and host names that http tasks and webhooks may reach although private'),
  DOCKER_HOST: z.string().optional().describe('Docker Engine: unix:///path or tcp://host:port; default: the local socket'),
  FLAMES_CACHE_HOURS: z.coerce
    .number()
    .positive()
    .max(87_600)
    .default(168)
    .describe('how long answers of models and judges are kept for flames tasks that ask the same again'),
  FLAMES_OLD_LOGS_DIR: z
    .string()
    .optional()
    .describe(
      'folder with the logs of old evaluations, as <task>/logs/*.json, shared by all processes; default: flames-old in ARTIFACTS_DIR',
    ),
  TASK_LOG_CAP_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(10_485_760)
    .describe('stored log bytes per instance; more is cut and said so'),
  FFMPEG_PATH: z.string().optional().describe('the ffmpeg to use; default: the one on PATH, else the one that npm installed'),
  FFPROBE_PATH: z.string().optional().describe('the ffprobe to use; default: the one on PATH, else the one that npm installed'),
  FFMPEG_STALL_S: seconds.default(60).describe('an ffmpeg whose output has not grown for so many seconds is killed and its step repeated'),
  VIDEO_FONT: z.string().optional().describe('font file for texts in videos; default: the first of the machine that has all characters'),
  VIDEO_PICTURES_DIR: z
    .string()
    .optional()
    .describe('folder below which scenes of videos may name pictures; default: none, pictures are refused'),
  VIDEO_STORAGE_MB: z.coerce
    .number()
    .int()
    .min(0)
    .max(2_147_483_647)
    .default(10_240)
    .describe('megabytes of video files that a user may keep, unless the user has a limit of their own'),
  SECRETS_KEY: z.string().optional().describe('base64 of 32 bytes that encrypt secrets; default: made once and kept in DATA_DIR'),
  DETECTION_ROOTS: list
    .optional()
    .describe('comma-separated folders below which detection tasks may read files; default: the folder inputs in DATA_DIR'),
  DETECTION_SAVE_INTERVAL: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(10)
    .describe('each so many frames of a detection task become a record, besides those with which the violations change'),
  DETECTION_QUEUE_MB: z.coerce
    .number()
    .int()
    .min(1)
    .max(4_096)
    .default(64)
    .describe('memory in MB for detections that wait to be stored, per process; then 429'),
  IDEMPOTENCY_HOURS: z.coerce
    .number()
    .positive()
    .default(24)
    .describe('how long an Idempotency-Key is remembered; forgotten within ten minutes after'),
  RETENTION_AT: z
    .string()
    .regex(/^(([01]\d|2[0-3]):[0-5]\d|off)$/, 'must be a time of day such as 03:30, or off')
    .default('03:30')
    .describe('time of day (UTC) of the daily removal of old rows; off: only when asked for'),
  RETENTION_LOG_DAYS: days.default(30).describe('days after its end for which the log lines of an instance are kept; 0: for ever'),
  RETENTION_INSTANCE_DAYS: days
    .default(30)
    .describe('days after its end for which an instance is kept, at least as long as its log lines; 0: for ever'),
  RETENTION_TASK_DAYS: days
    .default(30)
    .describe('days after its end for which a task is kept with its history, at least as long as its instances; 0: for ever'),
  RETENTION_FLAMES_LOG_DAYS: days
    .default(30)
    .describe('days after its end for which the log rows of an evaluation are kept; its figures stay; 0: for ever'),
  RETENTION_NOTICE_DAYS: days
    .default(90)
    .describe(
      'days for which notifications, deliveries after their end, and breaches whose tasks are gone or which are resolved are kept; 0: for ever',
    ),
  RETENTION_AUDIT_DAYS: days
    .default(365)
    .describe('days for which the operation log is kept, that of a task at least as long as the task; 0: for ever'),
  RETENTION_RECORD_DAYS: days.default(30).describe('days for which detection records are kept, by the UTC day of their frame; 0: for ever'),
  RETENTION_VIOLATION_DAYS: days
    .default(90)
    .describe('days for which violations are kept with their pictures, four times as long where they were confirmed; 0: for ever'),
  RETENTION_STATISTICS_DAYS: days.default(365).describe('days for which the statistics of detections are kept; 0: for ever'),
  RETENTION_ALERT_DAYS: days.default(90).describe('days for which the history of alerts is kept; 0: for ever'),
  DETECTION_ARCHIVE: flag
    .default(false)
    .describe(
      'whether a day of detection records is written to the artifacts (archive/detection_records/<day>.ndjson.gz) before it is removed',
    ),
  RETENTION_SEGMENT_DAYS: days
    .default(30)
    .describe('days for which log segments are kept, by whole months, and removed images and containers remembered; 0: for ever'),
  RETENTION_IMAGE_LOG_DAYS: days.default(90).describe('days after its end for which an operation on images is kept; 0: for ever'),
  LOG_ARCHIVE: flag
    .default(true)
    .describe('write log segments and operations on images to compressed files among the artifacts before they are removed'),
  DATABASE_WARN_MB: z.coerce.number().int().min(0).default(20_480).describe('size of the database from which a warning is given; 0: never'),
  IMAGE_REGISTRIES: list
    .default([])
    .describe(
      'registries that images may come from and go to, as host or host:port, docker.io for Docker Hub; empty: any for operators, public ones for docker tasks',
    ),
  CONTAINER_LOGS: z
    .enum(['off', 'tasks', 'labelled', 'all'])
    .default('labelled')
    .describe(
      'containers whose logs are read into segments: none, those of docker tasks, also those with the label orchestrator.logs=true, or all',
    ),
  DOCKER_COMPARE_EVERY_S: z.coerce
    .number()
    .int()
    .min(5)
    .max(86_400)
    .default(300)
    .describe('seconds between full comparisons of images and containers with the Docker Engine'),
  LOG_STATS_MAX_AGE_S: z.coerce.number().min(0).max(300).default(2).describe('how old the figures of log statistics may be, in seconds'),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/ })
    .optional()
    .describe('mail server, such as smtps://user:password@host:465; without one mail actions are refused'),
  SMTP_FROM: z.string().default('orchestrator@localhost').describe('sender of mails'),
  SLOW_QUERY_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(500)
    .describe('statements that take at least so many milliseconds are logged, without their parameters; 0: none'),
  RATE_LIMIT_PER_MINUTE: z.coerce.number().int().min(0).default(60_000).describe('requests a minute per API key; 0: no limit'),
  ORCHESTRATOR_URL: z
    .url()
    .optional()
    .describe('address of the API that the command line talks to; default: that of `npm start` on DATA_DIR'),
  ORCHESTRATOR_KEY: z.string().optional().describe('API key of the command line; default: the administrator’s in DATA_DIR'),
});

export type Config = Readonly<
  z.output<typeof Environment> & { ARTIFACTS_DIR: string; FLAMES_OLD_LOGS_DIR: string; DETECTION_ROOTS: string[] }
>;

/**
 * Reads the settings; the only place that touches the process's environment. Empty values count as absent.
 * @throws EngineError invalid_input: names each variable, its value and what was expected
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(present);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((i) => `${i.path.join('.')}=${JSON.stringify(present[String(i.path[0])])}: ${i.message}`);
    throw new EngineError('invalid_input', `bad configuration: ${lines.join('; ')}`);
  }
  const { DATA_DIR, FLAMES_OLD_LOGS_DIR, DETECTION_ROOTS } = parsed.data;
  const artifacts = path.resolve(parsed.data.ARTIFACTS_DIR ?? path.join(DATA_DIR, 'artifacts'));
  return {
    ...parsed.data,
    DATA_DIR: path.resolve(DATA_DIR),
    ARTIFACTS_DIR: artifacts,
    FLAMES_OLD_LOGS_DIR: path.resolve(FLAMES_OLD_LOGS_DIR ?? path.join(artifacts, 'flames-old')),
    DETECTION_ROOTS: (DETECTION_ROOTS ?? [path.join(DATA_DIR, 'inputs')]).map((folder) => path.resolve(folder)),
  };
}

/** Name, meaning and default of every setting, for the documentation. */
export function describeConfig(): { name: string; meaning: string; fallback: string }[] {
  return Object.entries(Environment.shape).map(([name, schema]) => {
    const fallback = (schema.safeParse(undefined).data ?? '') as unknown;
    return { name, meaning: schema.description ?? '', fallback: Array.isArray(fallback) ? fallback.join(',') : String(fallback) };
  });
}
