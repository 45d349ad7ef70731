import supertest from 'supertest';
import { publishFeeds } from '../../commands/publish-feed.ts';
import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, makeTemplate, submitOne } from '../support/factories.ts';
import { receiveEvents, serve } from '../support/listening.ts';
import { makeSchedule } from '../support/schedules.ts';
import { storeTestSecret } from '../support/secrets.ts';
import { age, attach, breaches, clocksOf } from '../support/slas.ts';
import { sweepClocks } from '../support/sweep.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
  await storeTestSecret(api.em, {
    name: 'hook',
    value: Buffer.alloc(32).toString('base64'),
    hosts: ['93.184.216.34', 'hooks.example.org'],
    granted_to: ['*'],
  });
});
afterAll(async () => await api.stop());

const WAITS = { kind: 'queue_wait', limit_s: 60 };
const HOUR = 3_600_000;
let made = 0;
const fresh = (): string => {
  made += 1;
  return `sla-${made}-of-a-test`;
};
const post = async (body: object, caller = api.operator) =>
  await api
    .as(caller)
    .post('/slas')
    .send({ name: fresh(), ...body });
const sla = async (conditions: object[], more: object = {}, caller = api.operator): Promise<number> => {
  const answer = await post({ conditions, ...more }, caller);
  expect([answer.status, answer.body.detail]).toEqual([201, undefined]);
  return answer.body.id;
};

describe('bad SLAs', () => {
  const action = (more: object) => ({ conditions: [WAITS], actions: [more] });
  const condition = (more: object) => ({ conditions: [more] });
  const hook = (url: string) => action({ do: 'webhook', url, secrets: ['hook'] });
  const nine = Array.from({ length: 10 }, (_, n) => n + 1);
  it.each<[string, object, string]>([
    ['an unknown kind', condition({ kind: 'wishful' }), '/conditions/0/kind'],
    ['an unknown action', action({ do: 'explode' }), '/actions/0/do'],
    ['an unknown field', condition({ ...WAITS, limit: 5 }), '/conditions/0/limit'],
    ['a negative duration', condition({ kind: 'queue_wait', limit_s: -1 }), '/conditions/0/limit_s'],
    ['no duration', condition({ kind: 'run_time' }), '/conditions/0/limit_s'],
    ['a duration of nothing', condition({ kind: 'queue_wait', limit_s: 0 }), '/conditions/0/limit_s'],
    ['a duration of more than 366 days', condition({ kind: 'total_time', limit_s: 31_622_401 }), '/conditions/0/limit_s'],
    ['a duration beyond all numbers', condition({ kind: 'total_time', limit_s: 1e300 }), '/conditions/0/limit_s'],
    ['eleven stages', condition({ ...WAITS, stages: nine }), '/conditions/0/stages'],
    ['a stage twice', condition({ ...WAITS, stages: [50, 50] }), '/conditions/0/stages'],
    ['a name twice', { conditions: [WAITS, WAITS] }, '/conditions/1/name'],
    ['a zone that is none', condition({ kind: 'deadline', at: '07:00', timezone: 'Mars/Base' }), '/conditions/0/timezone'],
    ['a time of day that is none', condition({ kind: 'deadline', at: '25:00' }), '/conditions/0/at'],
    ['a path that is none', condition({ kind: 'assertion', that: '$.result ==' }), '/conditions/0/that'],
    ['a path with a regular expression', condition({ kind: 'assertion', that: '$.result.a like_regex "(a+)+$"' }), '/conditions/0/that'],
    ['a path inside a combination', condition({ kind: 'any', of: [WAITS, { kind: 'assertion', that: '(((' }] }), '/conditions/0/of'],
    ['a factor of what is not known', condition({ kind: 'run_time', limit: 'p75*2' }), '/conditions/0/limit'],
    ['a risk of nothing', condition({ kind: 'at_risk', of: 'nobody' }), '/conditions/0/of'],
    ['tasks mixed with groups', condition({ kind: 'all', of: [WAITS, { kind: 'queue_depth', gt: 5 }] }), '/conditions/0/of'],
    ['200 actions', { conditions: [WAITS], actions: Array.from({ length: 200 }, () => ({ do: 'notify' })) }, '/actions'],
    ['eleven actions at a stage', { conditions: [WAITS], actions: Array.from({ length: 11 }, () => ({ do: 'notify' })) }, '/actions/10'],
    ['an action at no stage', action({ do: 'notify', stage: 80 }), '/actions/0/stage'],
    ['an action on no condition', action({ do: 'notify', condition: 'nobody' }), '/actions/0/condition'],
    ['an action on a task for a group', { conditions: [{ kind: 'queue_depth', gt: 5 }], actions: [{ do: 'cancel' }] }, '/actions/0/do'],
    ['a webhook to loopback', hook('http://127.0.0.1/x'), '/actions/0/url'],
    ['a webhook to loopback, spelt otherwise', hook('http://0x7f.1/x'), '/actions/0/url'],
    ['a webhook to a private network', hook('https://10.1.2.3/x'), '/actions/0/url'],
    ['a webhook to the metadata service', hook('http://169.254.169.254/latest/meta-data'), '/actions/0/url'],
    ['a webhook to the metadata service by its IPv6 form', hook('http://[::ffff:a9fe:a9fe]/'), '/actions/0/url'],
    ['a webhook to a name of this machine', hook('http://localhost:8080/x'), '/actions/0/url'],
    ['a webhook to a name of the inside', hook('http://metadata.google.internal/x'), '/actions/0/url'],
    ['a webhook that is no web address', hook('file:///etc/passwd'), '/actions/0/url'],
    ['a webhook with a password in it', hook('https://u:p@hooks.example.org/'), '/actions/0/url'],
    ['a webhook signed by nothing', action({ do: 'webhook', url: 'https://hooks.example.org/', secrets: [] }), '/actions/0/secrets'],
    [
      'a webhook signed by what is not there',
      action({ do: 'webhook', url: 'https://hooks.example.org/', secrets: ['none'] }),
      '/actions/0/secrets/0',
    ],
    ['a secret of another host', action({ do: 'webhook', url: 'https://other.example.org/', secrets: ['hook'] }), '/actions/0/secrets/0'],
    ['mail where none is configured', action({ do: 'email', to: ['a@example.org'] }), '/actions/0/do'],
    ['mail to nobody', action({ do: 'email', to: ['not an address'] }), '/actions/0/to/0'],
    ['a queue that is not there', action({ do: 'move_queue', queue: 'nowhere' }), '/actions/0/queue'],
    ['a pool that is not there', action({ do: 'resize_pool', pool: 'nowhere', cpu: 1, for_s: 60 }), '/actions/0/pool'],
    ['a template that is not there', action({ do: 'run_template', template: 'nothing' }), '/actions/0/template'],
    [
      'parameters that the template refuses',
      action({ do: 'run_template', template: 't', parameters: { n: 'x' } }),
      '/actions/0/parameters/n',
    ],
    ['a hold for ever', action({ do: 'hold_queue' }), '/actions/0/for_s'],
    ['a resize by nothing', action({ do: 'resize_pool', for_s: 60 }), '/actions/0/cpu'],
    ['an escalation to nowhere', action({ do: 'escalate_priority' }), '/actions/0/by'],
  ])('%s: refused, with a pointer', async (_what, body, pointer) => {
    const before = await query(api.em, 'select count(*) from slas');
    const answer = await post(body);
    const pointers = (answer.body.errors ?? []).map((error: { pointer: string }) => error.pointer);
    expect([answer.status, pointers]).toEqual([422, expect.arrayContaining([expect.stringMatching(new RegExp(`^${pointer}`))])]);
    expect(await query(api.em, 'select count(*) from slas')).toEqual(before);
  });

  it('actions on shared things are for operators', async () => {
    const answer = await post({ conditions: [WAITS], actions: [{ do: 'hold_queue', for_s: 60 }] }, api.user);
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, '/actions/0/do']);
  });

  it('a webhook to a public address is taken', async () => {
    await sla([WAITS], { actions: [{ do: 'webhook', url: 'https://93.184.216.34/hook', secrets: ['hook'] }] });
  });

  it('templates that would have each other run in a ring are refused, whichever way the ring is closed', async () => {
    for (const name of ['ring-a', 'ring-b']) await makeTemplate(api.em, name);
    const runs = (template: string) => ({ actions: [{ do: 'run_template', template }] });
    const [to_b, to_a] = [await sla([WAITS], runs('ring-b')), await sla([WAITS], runs('ring-a'))];
    const bind = async (template: string, sla_id: number) => await api.as(api.operator).patch(`/templates/${template}`).send({ sla_id });
    expect((await bind('ring-a', to_b)).status).toBe(200);
    const closed = await bind('ring-b', to_a);
    expect([closed.status, closed.body.errors[0].pointer]).toEqual([422, '/sla_id']);
    expect((await bind('ring-b', to_b)).status).toBe(422);
    const changed = await api.as(api.operator).patch(`/slas/${to_b}`).send(runs('ring-a'));
    expect([changed.status, changed.body.errors[0].pointer]).toEqual([422, '/actions/0/template']);
  });
});

test('a change makes a version, which counts for what becomes eligible afterwards; rebinding moves what is open', async () => {
  const id = await sla([WAITS, { kind: 'total_time', limit_s: 60 }]);
  await attach(api.em, id);
  const { uuid } = await submitOne(contextOf(api.em, api.user));
  const due = async () =>
    (await api.as(api.user).get(`/tasks/${uuid}`)).body.slas.map((s: { condition: string; state: string; version: number }) => [
      s.condition,
      s.version,
      s.state,
    ]);
  expect(await due()).toEqual([
    ['queue_wait', 1, 'running'],
    ['total_time', 1, 'running'],
  ]);
  const unchanged = await api
    .as(api.operator)
    .patch(`/slas/${id}`)
    .send({ description: 'words', conditions: [WAITS, { kind: 'total_time', limit_s: 60 }] });
  expect(unchanged.body.current_version).toBe(1);
  const changed = await api
    .as(api.operator)
    .patch(`/slas/${id}`)
    .send({ conditions: [WAITS, { kind: 'total_time', limit_s: 3600 }] });
  expect(changed.body.current_version).toBe(2);
  expect(await due()).toEqual([
    ['queue_wait', 1, 'running'],
    ['total_time', 1, 'running'],
  ]);
  const other = await submitOne(contextOf(api.em, api.user));
  expect((await clocksOf(api.em, other.uuid)).map(({ due_at, started_at }) => Date.parse(due_at ?? '') - Date.parse(started_at))).toEqual([
    60_000,
    HOUR,
  ]);
  const before = (await clocksOf(api.em, uuid))[0];
  expect((await api.as(api.operator).post(`/slas/${id}/rebind`)).body).toEqual({ version: 2, moved: 1, added: 0, released: 0 });
  expect((await api.as(api.operator).post(`/slas/${id}/rebind`)).body).toEqual({ version: 2, moved: 0, added: 0, released: 0 });
  expect(await due()).toEqual([
    ['queue_wait', 2, 'running'],
    ['total_time', 2, 'running'],
  ]);
  const clocks = await clocksOf(api.em, uuid);
  expect(clocks[0]).toEqual(before);
  expect(clocks.map(({ kind, state, note }) => [kind, state, note])).toEqual([
    ['queue_wait', 'running', null],
    ['total_time', 'void', 'rebound'],
    ['total_time', 'running', null],
  ]);
  expect((await api.as(api.operator).get(`/slas/${id}/versions`)).body.items.map(({ version }: { version: number }) => version)).toEqual([
    2, 1,
  ]);
  await attach(api.em, null);
  expect((await api.as(api.operator).post(`/slas/${id}/rebind`)).body).toMatchObject({ released: 2 });
});

test('a rebind tells nothing twice that was told under the same words', async () => {
  const id = await sla([WAITS]);
  await attach(api.em, id);
  const { uuid } = await submitOne(contextOf(api.em, api.user));
  await age(api.em, uuid, 61);
  await sweepClocks(api.em);
  await api.as(api.operator).patch(`/slas/${id}`).send({ priority: 70 });
  await api.as(api.operator).post(`/slas/${id}/rebind`);
  await sweepClocks(api.em);
  expect((await breaches(api.em)).filter(({ subject }) => subject === `task:${uuid}`)).toHaveLength(1);
  await attach(api.em, null);
});

test('what an SLA is attached to is shown, checked, and keeps it from being deleted', async () => {
  const id = await sla([{ kind: 'queue_depth', gt: 5 }]);
  const refused = await api.as(api.operator).patch('/templates/t').send({ sla_id: id });
  expect([refused.status, refused.body.errors[0]]).toEqual([
    422,
    { pointer: '/sla_id', detail: expect.stringContaining('for a template') },
  ]);
  expect((await api.as(api.operator).patch('/queues/q').send({ sla_id: 999_999 })).body.errors[0].pointer).toBe('/sla_id');
  expect((await api.as(api.operator).patch('/queues/q').send({ sla_id: id })).body.sla_id).toBe(id);
  expect((await api.as(api.operator).patch('/pools/p').send({ sla_id: id })).body.sla_id).toBe(id);
  expect((await api.as(api.operator).get(`/slas/${id}`)).body.bound_to).toEqual(['pool:p', 'queue:q']);
  const used = await api.as(api.operator).delete(`/slas/${id}`);
  expect([used.status, used.body.detail]).toEqual([409, expect.stringContaining('pool:p, queue:q')]);
  for (const path of ['/queues/q', '/pools/p']) await api.as(api.operator).patch(path).send({ sla_id: null });
  expect((await api.as(api.operator).delete(`/slas/${id}`)).status).toBe(204);
  expect((await api.as(api.operator).get(`/slas/${id}`)).status).toBe(404);
});

test('users attach SLAs of their own to tasks and schedules of theirs, others’ are not there', async () => {
  const [mine, theirs] = [await sla([WAITS], {}, api.user), await sla([WAITS], {}, api.stranger)];
  const submit = async (sla_id: number) => await api.as(api.user).post('/tasks').send({ template: 't', sla_id });
  const taken = await submit(mine);
  expect(taken.status).toBe(201);
  expect((await api.as(api.user).get(`/tasks/${taken.body.uuid}`)).body.slas).toMatchObject([
    { sla_id: mine, condition: 'queue_wait', state: 'running' },
  ]);
  const refused = await submit(theirs);
  expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/sla_id']);
  const batch = await api
    .as(api.user)
    .post('/tasks')
    .send([{ template: 't' }, { template: 't', sla_id: theirs }]);
  expect([batch.status, batch.body.errors[0].pointer]).toEqual([422, '/1/sla_id']);
  const schedule = await makeSchedule(contextOf(api.em, api.user), new Date().toISOString());
  const change = async (sla_id: number) => (await api.as(api.user).patch(`/schedules/${schedule}`).send({ sla_id })).status;
  expect([await change(theirs), await change(mine)]).toEqual([422, 200]);
  expect((await api.as(api.user).get(`/schedules/${schedule}`)).body.sla_id).toBe(mine);
  const later = await api.as(api.user).post('/tasks').send({ template: 't' });
  expect((await api.as(api.user).patch(`/tasks/${later.body.uuid}`).send({ sla_id: mine })).body.slas).toHaveLength(1);
});

/** A breach of an SLA of the caller `user`. */
async function breach(): Promise<{ id: string; sla_id: number; task: string }> {
  const sla_id = await sla([WAITS], { actions: [{ do: 'notify' }] }, api.user);
  const task = await submitOne(contextOf(api.em, api.user), { sla_id });
  await age(api.em, task.uuid, 61);
  await sweepClocks(api.em);
  const found = (await breaches(api.em)).find(({ subject }) => subject === `task:${task.uuid}`);
  return { id: found?.id ?? '', sla_id, task: task.uuid };
}

test('a breach is acknowledged, snoozed and resolved, and each step is in the operation log', async () => {
  const { id } = await breach();
  const say = async (verb: string, body: object = {}) => await api.as(api.user).post(`/breaches/${id}/${verb}`).send(body);
  expect((await api.as(api.user).get(`/breaches/${id}`)).body).toMatchObject({
    state: 'open',
    workflow_id: `sla/${id}`,
    actions: [{ do: 'notify', state: 'waiting' }],
  });
  expect((await say('acknowledge', { note: 'seen' })).body).toMatchObject({
    state: 'acknowledged',
    acknowledged_by: 'user:user',
    note: 'seen',
  });
  const until = new Date(Date.now() + HOUR).toISOString();
  expect((await say('snooze', { until })).body).toMatchObject({ state: 'snoozed', snoozed_until: until, note: 'seen' });
  expect((await say('snooze', { until: '2020-01-01T00:00:00Z' })).body.errors[0].pointer).toBe('/until');
  expect((await say('resolve')).body).toMatchObject({ state: 'resolved', resolved_by: 'user:user', snoozed_until: null });
  expect((await say('acknowledge')).status).toBe(409);
  expect((await say('resolve')).status).toBe(200);
  const log = await query<{ action: string }>(
    api.em,
    `select action from audit_log where subject_type = 'breach' and subject_id = $1 order by id`,
    [id],
  );
  expect(log.map(({ action }) => action)).toEqual(['breach.acknowledge', 'breach.snooze', 'breach.resolve', 'breach.resolve']);
});

test('breaches are found by what they are about, and followed as they change', async () => {
  const { id, sla_id, task } = await breach();
  const found = async (filter: string) =>
    (await api.as(api.user).get(`/breaches?${filter}`)).body.items.map((item: { id: string }) => item.id);
  for (const filter of [
    `task=${task}`,
    `sla_id=${sla_id}&state=open`,
    `subject_type=task&subject_id=${task}`,
    `sla_id=${sla_id}&kind=queue_wait&stage=100`,
  ])
    expect([filter, await found(filter)]).toEqual([filter, [id]]);
  expect(await found(`sla_id=${sla_id}&state=resolved,snoozed`)).toEqual([]);
  await publishFeeds(api.em);
  const server = await serve(api.app);
  const url = `${server.url}/api/v1/breaches/stream?after=0&sla_id=${sla_id}`;
  const states: string[] = [];
  for await (const event of receiveEvents(url, { Authorization: `Bearer ${api.user.key}` })) {
    states.push(`${event.event} ${(event.data as { id: string }).id}`);
    if (states.length === 2) break;
    await api.as(api.user).post(`/breaches/${id}/acknowledge`).send({});
    await publishFeeds(api.em);
  }
  expect(states).toEqual([`open ${id}`, `acknowledged ${id}`]);
  await server.stop();
});

test('the compliance report counts what was met and broken, and what is left of the budget', async () => {
  const { sla_id } = await breach();
  const report = (await api.as(api.user).get(`/slas/${sla_id}/compliance?objective=0.5`)).body;
  expect(report.conditions).toEqual([
    expect.objectContaining({
      condition: 'queue_wait',
      total: 1,
      met: 0,
      breached: 1,
      open: 0,
      met_share: 0,
      budget: { allowed: 0.5, spent: 1, left: -0.5 },
    }),
  ]);
  expect((await api.as(api.user).get(`/slas/${sla_id}/compliance?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z`)).status).toBe(422);
});

test('a dry run tells where it would have fired, for a task, a range, and conditions that are not saved', async () => {
  const { sla_id, task } = await breach();
  const run = async (body: object) => (await api.as(api.user).post(`/slas/${sla_id}/test`).send(body)).body;
  const saved = await run({ task });
  expect(saved).toMatchObject({
    total: 1,
    by_condition: { queue_wait: 1 },
    fires: [{ condition: 'queue_wait', stage: 100, subject_id: task, reason: 'late' }],
    tasks: 1,
  });
  const [first] = (await breaches(api.em)).filter(({ subject }) => subject === `task:${task}`);
  expect(Date.parse(saved.fires[0].at)).toBe(Date.parse(first?.due_at ?? ''));
  const tried = await run({
    task,
    conditions: [
      { kind: 'queue_wait', limit_s: 50, stages: [50] },
      { kind: 'queue_depth', gt: 1 },
    ],
  });
  expect(tried).toMatchObject({ total: 2, by_condition: { queue_wait: 2 }, untested: ['queue_depth'] });
  const range = await run({
    scope: 'queue:q',
    conditions: [
      { kind: 'queue_wait', limit_s: 50 },
      { kind: 'pool_utilisation', gt: 0.5 },
    ],
  });
  expect(range).toMatchObject({ truncated: false, untested: ['pool_utilisation'] });
  expect(range.total).toBeGreaterThanOrEqual(1);
  expect((await api.as(api.user).post(`/slas/${sla_id}/test`).send({})).body.errors[0].pointer).toBe('/scope');
  expect(
    (
      await api
        .as(api.user)
        .post(`/slas/${sla_id}/test`)
        .send({ conditions: [{ kind: 'assertion', that: '((' }], scope: 'queue:q' })
    ).status,
  ).toBe(422);
});

const NAMES = ['open_tasks_have_their_clocks', 'breaches_match_clocks', 'breach_actions_took_effect_once', 'loans_sum_up'];
type Invariant = { name: string; violations: unknown[] };

/** Offenders of the promises about SLAs, by name. */
async function offenders(): Promise<Record<string, number>> {
  const { invariants } = (await api.as(api.admin).get('/admin/invariants')).body as { invariants: Invariant[] };
  return Object.fromEntries(invariants.filter(({ name }) => NAMES.includes(name)).map(({ name, violations }) => [name, violations.length]));
}

test('the promises about SLAs hold, and each is found broken when it is broken', async () => {
  const { task, id } = await breach();
  const { uuid } = await submitOne(contextOf(api.em, api.user), { sla_id: await sla([WAITS], {}, api.user) });
  expect(await offenders()).toEqual(Object.fromEntries(NAMES.map((name) => [name, 0])));
  await query(api.em, 'delete from sla_clocks where task_id = $1', [uuid]);
  await query(api.em, `delete from breaches where id = $1`, [id]);
  await query(api.em, `set session_replication_role = replica`);
  await query(
    api.em,
    `update sla_clocks set updated_at = now() - interval '1 hour', started_at = started_at - interval '1 hour' where task_id = $1`,
    [task],
  );
  await query(api.em, `set session_replication_role = origin`);
  await query(api.em, `update pools set extra_cpu = 1 where name = 'p'`);
  expect(await offenders()).toMatchObject({ open_tasks_have_their_clocks: 1, breaches_match_clocks: 1, loans_sum_up: 1 });
  await query(api.em, `update pools set extra_cpu = 0 where name = 'p'`);
  await query(api.em, 'delete from task_slas where task_id = any($1)', [[uuid, task]]);
  await query(api.em, 'delete from sla_clocks where task_id = any($1)', [[uuid, task]]);
});

test('a task that was queued under an SLA and is not pinned to it is found', async () => {
  const id = await sla([WAITS]);
  await attach(api.em, id);
  const { uuid } = await submitOne(contextOf(api.em, api.user));
  await query(api.em, `update slas set enabled_at = now() - interval '1 day' where id = $1`, [id]);
  await query(api.em, `update queues set sla_since = now() - interval '1 day' where name = 'q'`);
  await query(api.em, 'delete from task_slas where task_id = $1', [uuid]);
  expect((await offenders()).open_tasks_have_their_clocks).toBeGreaterThanOrEqual(1);
  await api.as(api.operator).post(`/slas/${id}/rebind`);
  expect((await offenders()).open_tasks_have_their_clocks).toBe(0);
  await attach(api.em, null);
});

test('the metrics tell of clocks, breaches, lag and actions', async () => {
  await breach();
  const { text } = await supertest(api.app).get('/metrics');
  expect(text).toMatch(/orchestrator_sla_open_clocks\{sla="sla-\d+[^"]*"\} \d/);
  expect(text).toMatch(/orchestrator_sla_open_breaches\{sla="[^"]+",state="open"\} 1/);
  expect(text).toMatch(/orchestrator_sla_overdue_seconds \d/);
  expect(text).toMatch(/orchestrator_sla_fire_lag_seconds\{quantile="0.99"\} \d/);
  expect(text).toMatch(/orchestrator_sla_actions\{action="notify",result="waiting"\} \d/);
});
