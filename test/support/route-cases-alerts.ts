import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import { makeSession } from './detections.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;
const fresh = (word: string): string => `${word}-${++made}`;

async function rule({ em }: TestApi): Promise<number> {
  const rows = await query<{ id: number }>(em, 'insert into alert_rules (name) values ($1) returning id::float8 as id', [fresh('rule')]);
  return rows[0]?.id ?? 0;
}

/** An alert at a camera of the caller `user`. */
async function ownAlert({ em, user }: TestApi): Promise<string> {
  const camera_id = fresh('alerting');
  await makeSession(em, user.id, { camera_id });
  const sql = `insert into alert_history (rule_name, camera_id, violation_type, severity, violations, reason, dedup_key, delivery)
    values ('r', $1, 'no_hairnet', 'medium', 1, 'cooldown', $1, 'suppressed') returning id`;
  return (await query<{ id: string }>(em, sql, [camera_id]))[0]?.id ?? '';
}

const SETTINGS = {
  description: 'a rule',
  enabled: true,
  violation_types: ['no_hairnet'],
  cameras: ['door'],
  min_severity: 'low',
  window_s: 60,
  threshold: 1,
  consecutive: 1,
  cooldown_s: 60,
  schedule: { timezone: 'Europe/Berlin', days: [1, 2], from: '22:00', to: '06:00' },
  channels: [{ kind: 'notify' }, { kind: 'webhook', url: 'https://example.com/hook', secrets: ['hook'] }],
};

/** Cases of the routes of alerts, see `ROUTE_CASES`. */
export const ALERT_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  listAlertRules: async () => ({ path: '/alerts/rules' }),
  createAlertRule: async () => ({ path: '/alerts/rules', body: { name: fresh('rule'), ...SETTINGS } }),
  getAlertRule: async (api) => ({ path: `/alerts/rules/${await rule(api)}` }),
  changeAlertRule: async (api) => ({ path: `/alerts/rules/${await rule(api)}`, body: { name: fresh('rule'), ...SETTINGS } }),
  deleteAlertRule: async (api) => ({ path: `/alerts/rules/${await rule(api)}` }),
  listAlerts: async () => ({ path: '/alerts/history' }),
  getAlert: async (api) => ({ path: `/alerts/history/${await ownAlert(api)}`, owner: true }),
  acknowledgeAlert: async (api) => ({ path: `/alerts/history/${await ownAlert(api)}/acknowledge`, owner: true, body: { note: 'seen' } }),
  acknowledgeAlerts: async (api) => ({ path: '/alerts/history/acknowledge', body: { ids: [await ownAlert(api)], note: 'seen' } }),
};
