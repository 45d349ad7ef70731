import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { makeSession } from '../support/detections.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
  await query(api.em, 'delete from alert_rules');
});
afterAll(async () => await api.stop());

const rule = (more: Record<string, unknown> = {}) => ({ name: 'bare', channels: [{ kind: 'notify' }], cooldown_s: 60, ...more });
const history = async (path = '', caller = api.user) => (await api.as(caller).get(`/alerts/history${path}`)).body;
let sent = 0;
const violate = async (camera_id: string, track_id: number) => {
  const objects = [{ track_id, violations: ['no_hairnet'] }];
  const frames = [1, 2, 3].map(() => ({ camera_id, session_id: 'one', frame_number: ++sent, objects }));
  expect((await api.as(api.user).post('/detections').send(frames)).body).toMatchObject({ violations_opened: 1 });
};

it('rules are made, changed, switched off and removed by operators, each with its trace', async () => {
  const made = await api.as(api.operator).post('/alerts/rules').send(rule());
  expect([made.status, made.body]).toMatchObject([
    201,
    { name: 'bare', enabled: true, threshold: 1, window_s: 60, user: 'operator', last_fired_at: null },
  ]);
  const { id } = made.body;
  expect((await api.as(api.operator).post('/alerts/rules').send(rule())).status).toBe(409);
  const changed = await api.as(api.admin).patch(`/alerts/rules/${id}`).send({ enabled: false, threshold: 3 });
  expect(changed.body).toMatchObject({ id, enabled: false, threshold: 3, cooldown_s: 60, user: 'admin' });
  expect((await api.as(api.operator).get('/alerts/rules?enabled=false&q=BAR')).body.items).toHaveLength(1);
  expect((await api.as(api.operator).get('/alerts/rules?enabled=true')).body.items).toEqual([]);
  expect((await api.as(api.operator).delete(`/alerts/rules/${id}`)).status).toBe(204);
  expect((await api.as(api.operator).get(`/alerts/rules/${id}`)).status).toBe(404);
  const actions = await query(api.em, `select action, actor from audit_log where subject_type = 'alert_rule' order by id`);
  expect(actions).toEqual([
    { action: 'alert_rule.create', actor: 'user:operator' },
    { action: 'alert_rule.change', actor: 'user:admin' },
    { action: 'alert_rule.delete', actor: 'user:operator' },
  ]);
});

it.each([
  [{ channels: [{ kind: 'pigeon' }] }, '/channels/0/kind'],
  [{ channels: [{ kind: 'webhook', url: 'ftp://x' }] }, '/channels/0/url'],
  [{ channels: [{ kind: 'webhook', url: 'https://me:word@x.example' }] }, '/channels/0/url'],
  [{ threshold: 0 }, '/threshold'],
  [{ min_severity: 'awful' }, '/min_severity'],
  [{ schedule: { timezone: 'Mars/Base', days: [1], from: '08:00', to: '17:00' } }, '/timezone'],
  [{ schedule: { timezone: 'UTC', days: [8], from: '08:00', to: '17:00' } }, '/schedule/days/0'],
  [{ schedule: { timezone: 'UTC', days: [1], from: '8', to: '17:00' } }, '/schedule/from'],
])('a rule with %j is refused and named', async (more, pointer) => {
  const answer = await api.as(api.operator).post('/alerts/rules').send(rule(more));
  expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, pointer]);
});

it('the history has what fired and what was suppressed, for the owner of the camera; and is acknowledged once', async () => {
  await makeSession(api.em, api.user.id, { camera_id: 'door' });
  await api
    .as(api.operator)
    .post('/alerts/rules')
    .send(rule({ name: 'door', cameras: ['door'] }));
  await violate('door', 1);
  await violate('door', 2);
  const { items } = await history('?camera_id=door');
  expect(items).toMatchObject([
    { delivery: 'suppressed', reason: 'delivery_pending', state: 'firing', violations: 2, channels: 1, delivered: 0 },
    { delivery: 'pending', reason: 'due', state: 'firing', violations: 1, severity: 'medium', violation_type: 'no_hairnet' },
  ]);
  expect((await history('?delivery=suppressed&severity=medium,high')).items).toHaveLength(1);
  expect((await history('', api.stranger)).items).toEqual([]);
  expect((await history('', api.operator)).items).toHaveLength(2);
  const csv = await api.as(api.user).get('/alerts/history?format=csv');
  expect(csv.text.split('\r\n')[0]).toMatch(/^\uFEFFid,rule_id,rule_name,camera_id,state/);
  const [first, second] = items;
  const seen = await api.as(api.user).post(`/alerts/history/${first.id}/acknowledge`).send({ note: 'I saw it' });
  expect(seen.body).toMatchObject({ acked_by: 'user:user', ack_note: 'I saw it' });
  const again = await api.as(api.operator).post(`/alerts/history/${first.id}/acknowledge`).send({ note: 'me too' });
  expect(again.body).toMatchObject({ acked_by: 'user:user', ack_note: 'I saw it' });
  const nobody = '01890000-0000-7000-8000-000000000000';
  const many = await api
    .as(api.user)
    .post('/alerts/history/acknowledge')
    .send({ ids: [first.id, second.id, nobody] });
  expect(many.body).toEqual({ acknowledged: 1, missing: [nobody] });
  expect((await history('?acknowledged=false')).items).toEqual([]);
  expect(
    (
      await api
        .as(api.stranger)
        .post('/alerts/history/acknowledge')
        .send({ ids: [first.id] })
    ).body.missing,
  ).toEqual([first.id]);
});

it('pages of the history go on where the one before ended', async () => {
  for (let n = 10; n < 14; n++) await violate('door', n);
  const all = (await history('?limit=200')).items.map(({ id }: { id: string }) => id);
  const paged: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await history(`?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
    paged.push(...page.items.map(({ id }: { id: string }) => id));
    cursor = page.next_cursor;
  }
  expect(paged).toEqual(all);
  expect(all).toHaveLength(6);
});
