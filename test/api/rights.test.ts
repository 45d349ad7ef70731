import supertest from 'supertest';
import { isEndless, type Route } from '../../api/define-route.ts';
import { permits } from '../../api/mount-routes.ts';
import { routes } from '../../api/routes/index.ts';
import { query } from '../../entities/sql.ts';
import { type Caller, createTestApi, type TestApi } from '../support/api.ts';
import { ROUTE_CASES, type RouteCase } from '../support/route-cases.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const caseOf = async (route: Route): Promise<RouteCase> => {
  const make = ROUTE_CASES[route.id];
  if (!make) throw new Error(`route ${route.id} has no case in test/support/route-cases.ts`);
  return await make(api);
};

/** HEAD stands for GET on streams, which would not end by themselves. */
async function call(route: Route, { path, body, raw }: RouteCase, caller: Caller | null): Promise<number> {
  const endless = isEndless(route);
  const request = endless ? supertest(api.app).head(`/api/v1${path}`) : supertest(api.app)[route.method](`/api/v1${path}`);
  if (caller) request.set('Authorization', `Bearer ${caller.key}`);
  if (raw) return (await request.set('Content-Type', raw.type).send(raw.text)).status;
  return (await (body ? request.send(body) : request)).status;
}

const changes = async (): Promise<string> => {
  const sql = `select (select count(*) from audit_log) as a, (select count(*) from task_history) as h, (select max(updated_at) from queues) as q`;
  return JSON.stringify(await query(api.em, sql));
};

const named = routes.map((route) => [`${route.method.toUpperCase()} ${route.path}`, route] as const);

it('every case belongs to a route', () => {
  expect(Object.keys(ROUTE_CASES).sort()).toEqual(routes.map((route) => route.id).sort());
});

it('rights are the ones that were agreed', () => {
  const ids = (rights: string) =>
    routes
      .filter((route) => route.rights === rights)
      .map((route) => route.id)
      .sort();
  const people = ['changeUser', 'createUser', 'getUser', 'listUsers', 'revokeApiKey', 'rotateApiKey'];
  const house = ['getDatabase', 'getRetentionRun', 'listRetentionRuns', 'requestRetention'];
  const secrets = ['createSecret', 'deleteSecret', 'listSecrets', 'replaceSecret'];
  expect(ids('admin')).toEqual([...people, ...secrets, ...house, 'getInvariants', 'listAuditLog'].sort());
  const doors = ['create', 'change', 'delete', 'hold', 'resume', 'drain'].flatMap((verb) => [`${verb}Queue`, `${verb}Pool`]);
  const workers = ['listWorkers', 'getWorker', 'drainWorker', 'resumeWorker'];
  const templates = ['createTemplate', 'changeTemplate', 'createTemplateVersion', 'deleteTemplate'];
  const flames = ['getFlamesStatistics', 'importFlamesRuns', 'registerOldFlamesRun'];
  const alerts = ['changeAlertRule', 'createAlertRule', 'deleteAlertRule', 'getAlertRule', 'listAlertRules'];
  const logs = ['deleteSegments', 'getLogStats', 'getLogTrend', 'listLogTemplates', 'listLogArchives', 'downloadLogArchive'];
  const images = ['listImages', 'getImage', 'listContainers', 'getContainer', 'listImageLogs', 'listLogsOfImage', 'getImageLog']
    .concat(['streamImageLog', 'deleteImageLog', 'getImageLogStats', 'pullImage', 'pushImage', 'tagImage', 'removeImage'])
    .concat(['buildImage', 'pruneImages', 'importImage']);
  expect(ids('operator')).toEqual(
    [...doors, ...alerts, ...workers, ...templates, ...flames, ...logs, ...images, 'recomputeStatistics'].sort(),
  );
});

describe.each(named)('%s', (_name, route) => {
  it('asks for a key', async () => {
    expect(await call(route, await caseOf(route), null)).toBe(401);
  });

  it.each(['user', 'operator', 'admin'] as const)('is open or closed to the role %s as its rights say', async (role) => {
    const request = await caseOf(route);
    const before = await changes();
    const status = await call(route, request, api[role]);
    if (permits(route.rights, role)) expect([200, 201, 202, 204]).toContain(status);
    else {
      expect(status).toBe(403);
      expect(await changes()).toBe(before);
    }
  });

  it('shows and changes things of their owner only', async () => {
    const request = await caseOf(route);
    const before = await changes();
    const status = await call(route, request, api.stranger);
    if (request.owner) {
      expect(status).toBe(404);
      expect(await changes()).toBe(before);
    } else expect(status).not.toBe(404);
  });
});
