import type { TestApi } from './api.ts';
import { contextOf, submitOne } from './factories.ts';
import type { RouteCase } from './route-cases.ts';
import { age, breaches, makeSla } from './slas.ts';
import { sweepClocks } from './sweep.ts';

const WAITS = { kind: 'queue_wait', name: 'waits', limit_s: 60, stages: [50, 100], on_failure: 'void', pause_aware: true };
let made = 0;

/** An SLA of the caller `user`. */
const ownSla = async ({ em, user }: TestApi): Promise<number> => await makeSla(contextOf(em, user), [WAITS]);

/** A breach of an SLA of the caller `user`, on a task of theirs. */
async function ownBreach(api: TestApi): Promise<string> {
  const sla_id = await ownSla(api);
  const { uuid } = await submitOne(contextOf(api.em, api.user), { sla_id });
  await age(api.em, uuid, 61);
  await sweepClocks(api.em);
  const [breach] = (await breaches(api.em)).filter(({ subject }) => subject === `task:${uuid}`);
  return breach?.id ?? '';
}

const content = () => ({
  description: 'a description',
  conditions: [WAITS],
  actions: [{ do: 'notify', condition: 'waits', stage: 50, to: ['owner'], severity: 'info', message: 'a message' }],
  priority: 60,
  cooldown_s: 10,
});
const fresh = (): string => {
  made += 1;
  return `case-sla-${made}`;
};
const own = (path: (id: string | number) => string, make: (api: TestApi) => Promise<string | number>, body?: Record<string, unknown>) => {
  return async (api: TestApi): Promise<RouteCase> => ({ path: path(await make(api)), owner: true, ...(body ? { body } : {}) });
};

/** Cases of SLAs and breaches. */
export const SLA_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  createSla: async () => ({ path: '/slas', body: { name: fresh(), enabled: true, ...content() } }),
  listSlas: async () => ({ path: '/slas' }),
  getSla: own((id) => `/slas/${id}`, ownSla),
  changeSla: own((id) => `/slas/${id}`, ownSla, { enabled: false, description: 'another' }),
  deleteSla: own((id) => `/slas/${id}`, ownSla),
  listSlaVersions: own((id) => `/slas/${id}/versions`, ownSla),
  rebindSla: own((id) => `/slas/${id}/rebind`, ownSla),
  testSla: own((id) => `/slas/${id}/test`, ownSla, {
    from: '2026-01-01T00:00:00Z',
    until: '2026-01-02T00:00:00Z',
    scope: 'queue:q',
    conditions: [WAITS],
  }),
  getSlaCompliance: own((id) => `/slas/${id}/compliance`, ownSla),
  listBreaches: async () => ({ path: '/breaches' }),
  streamBreaches: async () => ({ path: '/breaches/stream' }),
  getBreach: own((id) => `/breaches/${id}`, ownBreach),
  acknowledgeBreach: own((id) => `/breaches/${id}/acknowledge`, ownBreach, { note: 'seen' }),
  snoozeBreach: own((id) => `/breaches/${id}/snooze`, ownBreach, { until: new Date(Date.now() + 3_600_000).toISOString(), note: null }),
  resolveBreach: own((id) => `/breaches/${id}/resolve`, ownBreach, { note: 'done' }),
};
