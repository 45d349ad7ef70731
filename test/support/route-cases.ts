import { createBackfill } from '../../commands/create-backfill.ts';
import { createBulkAction } from '../../commands/create-bulk-action.ts';
import { createSchedule } from '../../commands/create-schedule.ts';
import { query } from '../../entities/sql.ts';
import { BackfillCreation, ScheduleCreation } from '../../schemas/schedule.ts';
import type { TestApi } from './api.ts';
import { contextOf, makePool, makeQueue, makeTemplate, makeUser, makeWorker, startTask, submitOne, testEngines } from './factories.ts';
import { ALERT_CASES } from './route-cases-alerts.ts';
import { DETECTION_CASES } from './route-cases-detections.ts';
import { DOCKER_ROUTE_CASES } from './route-cases-docker.ts';
import { FLAMES_CASES } from './route-cases-flames.ts';
import { LOG_ROUTE_CASES } from './route-cases-logs.ts';
import { NOTICE_CASES } from './route-cases-notices.ts';
import { SLA_CASES } from './route-cases-slas.ts';
import { VIDEO_CASES } from './route-cases-video.ts';

/** A request that its least role may make. `owner`: the thing belongs to the caller `user`, so that others must not see it. `raw`: text for a route with a raw body. */
export type RouteCase = { path: string; body?: Record<string, unknown>; raw?: { type: string; text: string | Buffer }; owner?: true };

let made = 0;
const fresh = (word: string): string => `${word}-${++made}`;

const ownTask = async ({ em, user }: TestApi) => (await submitOne(contextOf(em, user))).uuid;
const ownInstance = async ({ em, user }: TestApi) => (await startTask(contextOf(em, user))).runid;

async function heldTask(api: TestApi): Promise<string> {
  const uuid = await ownTask(api);
  await query(api.em, `update tasks set held_at = now(), status = 'pending', pending_reason = 'hold' where uuid = $1`, [uuid]);
  return uuid;
}

async function endedTask(api: TestApi): Promise<string> {
  const uuid = await ownTask(api);
  await query(api.em, `update tasks set status = 'cancelled', completed_at = now() where uuid = $1`, [uuid]);
  return uuid;
}

async function ownBulk(api: TestApi): Promise<string> {
  const uuids = [await ownTask(api)];
  const creation = { action: 'hold' as const, filter: { uuids }, args: {}, dry_run: false };
  return (await createBulkAction(contextOf(api.em, api.user), creation)).id ?? '';
}

const spareUser = async ({ em }: TestApi) => (await makeUser(em, fresh('user'))).id;

async function spareSecret(api: TestApi): Promise<string> {
  const name = fresh('secret');
  const values = [name, api.vault.encrypt('x'), api.vault.key_id];
  await query(api.em, 'insert into secrets (name, ciphertext, key_id) values ($1, $2, $3)', values);
  return name;
}

async function retentionRun({ em }: TestApi): Promise<number> {
  const sql = `insert into retention_runs (trigger, requested_by, scheduled_for) values ('schedule', 'dispatcher', clock_timestamp()) returning id::int4 as id`;
  return (await query<{ id: number }>(em, sql))[0]?.id ?? 0;
}

const fixed = (path: string, body?: () => Record<string, unknown>) => async (): Promise<RouteCase> => ({
  path,
  ...(body ? { body: body() } : {}),
});
const at =
  (path: (id: string | number) => string, make: (api: TestApi) => Promise<string | number>, more: Partial<RouteCase> = {}) =>
  async (api: TestApi): Promise<RouteCase> => ({ path: path(await make(api)), ...more });
const own = { owner: true } as const;
const queue = ({ em }: TestApi) => makeQueue(em, fresh('queue'));
const pool = ({ em }: TestApi) => makePool(em, fresh('pool'));
const worker = ({ em }: TestApi) => makeWorker(em, fresh('worker'));
const template = ({ em }: TestApi) => makeTemplate(em, fresh('template'));

const ruleBody = () => ({ cron: '30 2 * * *', timezone: 'Europe/Berlin' });

/** A schedule of the caller `user`. */
async function ownSchedule({ em, user }: TestApi): Promise<string> {
  const creation = ScheduleCreation.parse({ name: fresh('schedule'), template: 't', ...ruleBody() });
  return (await createSchedule(contextOf(em, user), creation, testEngines)).id;
}

async function ownBackfill(api: TestApi): Promise<string> {
  const id = await ownSchedule(api);
  const range = BackfillCreation.parse({ from: '2026-01-01T00:00:00Z', until: '2026-01-03T00:00:00Z' });
  const { backfill } = await createBackfill(contextOf(api.em, api.user), id, range);
  return `${id}/backfills/${backfill?.id}`;
}

/** One good request per route, by operation id; a route without one fails the tests that walk the list. */
export const ROUTE_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  ...VIDEO_CASES,
  ...FLAMES_CASES,
  submitTasks: fixed('/tasks', () => ({
    template: 't',
    name: 'a task',
    parameters: { n: 1 },
    queue: 'q',
    priority: 50,
    timeout: 60,
    not_before: '2030-01-01T00:00:00Z',
    tags: { a: 'b' },
    idempotency_key: fresh('key'),
  })),
  listTasks: fixed('/tasks'),
  getTask: at((id) => `/tasks/${id}`, ownTask, own),
  explainTask: at((id) => `/tasks/${id}/explain`, ownTask, own),
  listTaskHistory: at((id) => `/tasks/${id}/history`, ownTask, own),
  listTaskInstances: at((id) => `/tasks/${id}/instances`, ownTask, own),
  getTaskLogs: at((id) => `/tasks/${id}/logs`, ownTask, own),
  cancelTask: at((id) => `/tasks/${id}/cancel`, ownTask, { ...own, body: { reason: 'because', grace_s: 5 } }),
  changeTask: at((id) => `/tasks/${id}`, ownTask, {
    ...own,
    body: {
      priority: 60,
      queue: 'q',
      tags: { a: 'b' },
      not_before: null,
      timeout: 60,
      queue_timeout_s: 60,
      start_timeout_s: 60,
      total_timeout_s: null,
    },
  }),
  holdTask: at((id) => `/tasks/${id}/hold`, ownTask, own),
  releaseTask: at((id) => `/tasks/${id}/release`, heldTask, own),
  listTaskDependencies: at((id) => `/tasks/${id}/dependencies`, ownTask, own),
  retryTask: at((id) => `/tasks/${id}/retry`, endedTask, own),
  createBulkAction: fixed('/bulk-actions', () => ({
    action: 'cancel',
    filter: { status: ['queued'], queue: 'q', q: 'nothing is called so' },
    args: { reason: 'because', grace_s: 5 },
    dry_run: false,
  })),
  listBulkActions: fixed('/bulk-actions'),
  getBulkAction: at((id) => `/bulk-actions/${id}`, ownBulk, own),
  listBulkActionItems: at((id) => `/bulk-actions/${id}/items`, ownBulk, own),
  cancelBulkAction: at((id) => `/bulk-actions/${id}/cancel`, ownBulk, own),
  listInstances: fixed('/instances'),
  getInstance: at((id) => `/instances/${id}`, ownInstance, own),
  getInstanceLogs: at((id) => `/instances/${id}/logs`, ownInstance, own),
  streamInstanceLogs: at((id) => `/instances/${id}/logs/stream`, ownInstance, own),
  listTemplates: fixed('/templates'),
  getTemplate: at((id) => `/templates/${id}`, template),
  createTemplate: fixed('/templates', () => ({
    name: fresh('template'),
    engine: 'empty',
    description: 'a template',
    schema: { type: 'object' },
    parameters: { n: 1 },
    queue: 'q',
    priority: 50,
    timeout: 60,
    cpu: 0.5,
    memory_mb: 16,
    retry_policy: { max_attempts: 3, initial_s: 1, factor: 2, max_s: 10, jitter: 0.5, codes: ['x'] },
    at_most_once: false,
    quota_cost: 0,
  })),
  changeTemplate: at((id) => `/templates/${id}`, template, { body: { sla_id: null } }),
  createTemplateVersion: at((id) => `/templates/${id}/versions`, template, {
    body: { description: 'new', parameters: { n: 2 }, schema: {}, cpu: 2 },
  }),
  deleteTemplate: at((id) => `/templates/${id}`, template),
  listQueues: fixed('/queues'),
  getQueue: at((id) => `/queues/${id}`, queue),
  createQueue: fixed('/queues', () => ({ name: fresh('queue'), capacity: 2, pool: 'p', priority: 40, step_s: 30, max_depth: 100 })),
  changeQueue: at((id) => `/queues/${id}`, queue, { body: { capacity: 3, priority: 60, step_s: 10, max_depth: null } }),
  deleteQueue: at((id) => `/queues/${id}`, queue),
  holdQueue: at((id) => `/queues/${id}/hold`, queue),
  resumeQueue: at((id) => `/queues/${id}/resume`, queue),
  drainQueue: at((id) => `/queues/${id}/drain`, queue),
  listPools: fixed('/pools'),
  getPool: at((id) => `/pools/${id}`, pool),
  createPool: fixed('/pools', () => ({ name: fresh('pool'), total_cpu: 2.5, total_memory: 1000 })),
  changePool: at((id) => `/pools/${id}`, pool, { body: { total_cpu: 3, total_memory: 2000 } }),
  deletePool: at((id) => `/pools/${id}`, pool),
  holdPool: at((id) => `/pools/${id}/hold`, pool),
  resumePool: at((id) => `/pools/${id}/resume`, pool),
  drainPool: at((id) => `/pools/${id}/drain`, pool),
  listWorkers: fixed('/workers'),
  getWorker: at((id) => `/workers/${id}`, worker),
  drainWorker: at((id) => `/workers/${id}/drain`, worker),
  resumeWorker: at((id) => `/workers/${id}/resume`, worker),
  getMe: fixed('/users/me'),
  listUsers: fixed('/users'),
  getUser: at((id) => `/users/${id}`, spareUser),
  createUser: fixed('/users', () => {
    const username = fresh('someone');
    return { username, email: `${username}@example.org`, role: 'user', rights: ['shell'], quota: 5 };
  }),
  changeUser: at((id) => `/users/${id}`, spareUser, { body: { email: null, role: 'user', rights: [], quota: null, is_active: true } }),
  rotateApiKey: at((id) => `/users/${id}/api-key`, spareUser, { body: { grace_s: 10 } }),
  revokeApiKey: at((id) => `/users/${id}/api-key`, spareUser),
  listSecrets: fixed('/secrets'),
  createSecret: fixed('/secrets', () => ({ name: fresh('secret'), value: 'v', hosts: ['api.example.org'], granted_to: ['user'] })),
  replaceSecret: at((id) => `/secrets/${id}`, spareSecret, { body: { value: 'w', hosts: [], granted_to: ['*'] } }),
  deleteSecret: at((id) => `/secrets/${id}`, spareSecret),
  listSchedules: fixed('/schedules'),
  previewRule: fixed('/schedules/preview?n=3', ruleBody),
  createSchedule: fixed('/schedules', () => ({
    name: fresh('schedule'),
    template: 't',
    ...ruleBody(),
    parameters: { text: '{{nominal_at}}' },
    queue: 'q',
    priority: 10,
    timeout: 60,
    tags: { a: 'b' },
    overlap: 'queue_all',
    overlap_max: 5,
    catchup: 'all',
    catchup_window_s: 3600,
    catchup_max: 10,
    jitter_s: 30,
    start_at: '2026-01-01T00:00:00Z',
    end_at: '2030-01-01T00:00:00+02:00',
    max_runs: 100,
  })),
  getSchedule: at((id) => `/schedules/${id}`, ownSchedule, own),
  changeSchedule: at((id) => `/schedules/${id}`, ownSchedule, { ...own, body: { cron: '0 3 * * *', jitter_s: 10 } }),
  deleteSchedule: at((id) => `/schedules/${id}`, ownSchedule, own),
  pauseSchedule: at((id) => `/schedules/${id}/pause`, ownSchedule, { ...own, body: { reason: 'because' } }),
  resumeSchedule: at((id) => `/schedules/${id}/resume`, ownSchedule, { ...own, body: { catch_up: true } }),
  runScheduleNow: at((id) => `/schedules/${id}/run-now`, ownSchedule, own),
  previewSchedule: at((id) => `/schedules/${id}/preview`, ownSchedule, own),
  listOccurrences: at((id) => `/schedules/${id}/occurrences`, ownSchedule, own),
  createBackfill: at((id) => `/schedules/${id}/backfills`, ownSchedule, {
    ...own,
    body: { from: '2026-01-01T00:00:00Z', until: '2026-01-05T00:00:00Z', max_active: 2, dry_run: false },
  }),
  listBackfills: at((id) => `/schedules/${id}/backfills`, ownSchedule, own),
  getBackfill: at((id) => `/schedules/${id}`, ownBackfill, own),
  cancelBackfill: at((id) => `/schedules/${id}/cancel`, ownBackfill, { ...own, body: { cancel_tasks: true } }),
  ...NOTICE_CASES,
  ...SLA_CASES,
  listAuditLog: fixed('/audit-log'),
  getInvariants: fixed('/admin/invariants'),
  getDatabase: fixed('/admin/database'),
  requestRetention: fixed('/admin/retention', () => ({ dry_run: false })),
  listRetentionRuns: fixed('/admin/retention'),
  getRetentionRun: at((id) => `/admin/retention/${id}`, retentionRun),
  ...DETECTION_CASES,
  ...ALERT_CASES,
  ...LOG_ROUTE_CASES,
  ...DOCKER_ROUTE_CASES,
};
