import { fireDue } from '../../commands/fire-occurrence.ts';
import { query } from '../../entities/sql.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, countOf, makeQueue, makeTemplate, testEngines } from '../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi();
});
afterAll(async () => await api.stop());

const user = () => api.as(api.user);
let made = 0;
const body = (more: object = {}) => ({ name: `s ${++made}`, template: 't', cron: '30 2 * * *', timezone: 'Europe/Berlin', ...more });
const create = async (more: object = {}): Promise<string> => {
  const answer = await user().post('/schedules').send(body(more));
  expect(answer.status).toBe(201);
  return answer.body.id as string;
};

describe('a schedule', () => {
  it('is made, read, listed, changed, paused, resumed and deleted, each with its audit row', async () => {
    const answer = await user()
      .post('/schedules')
      .send(body({ name: 'nightly' }));
    expect(answer.status).toBe(201);
    const { id } = answer.body;
    expect(answer.headers.location).toBe(`/api/v1/schedules/${id}`);
    expect(answer.body).toMatchObject({
      name: 'nightly',
      user: 'user',
      status: 'active',
      words: 'At 02:30 every day, Europe/Berlin time',
      template_version: null,
      overlap: 'skip',
      catchup: 'last',
      catchup_window_s: 86_400,
      jitter_s: 0,
      runs: 0,
      live: 0,
      next_at: expect.stringMatching(/T0[01]:30:00\.000Z$/),
    });
    expect(
      (
        await user()
          .post('/schedules')
          .send(body({ name: 'nightly' }))
      ).status,
    ).toBe(409);
    expect(
      (
        await api
          .as(api.stranger)
          .post('/schedules')
          .send(body({ name: 'nightly' }))
      ).status,
    ).toBe(201);
    const changed = await user().patch(`/schedules/${id}`).send({ cron: '0 4 * * 1', timezone: 'UTC', priority: 90 });
    expect(changed.body).toMatchObject({
      words: 'At 04:00 on Monday, UTC time',
      priority: 90,
      next_at: expect.stringMatching(/T04:00:00\.000Z$/),
    });
    expect((await user().post(`/schedules/${id}/pause`).send({ reason: 'holiday' })).body).toMatchObject({
      status: 'paused',
      status_reason: 'holiday',
      next_at: null,
    });
    expect((await user().get('/schedules?status=paused')).body.items.map((s: { id: string }) => s.id)).toEqual([id]);
    expect((await user().post(`/schedules/${id}/resume`)).body).toMatchObject({
      status: 'active',
      status_reason: null,
      next_at: changed.body.next_at,
    });
    expect((await user().get(`/schedules/${id}`)).body.name).toBe('nightly');
    expect((await user().delete(`/schedules/${id}`)).status).toBe(204);
    expect((await user().get(`/schedules/${id}`)).status).toBe(404);
    expect(
      (
        await user()
          .post('/schedules')
          .send(body({ name: 'nightly' }))
      ).status,
    ).toBe(201);
    const audit = await api.as(api.admin).get(`/audit-log?subject_type=schedule&subject_id=${id}`);
    const actions = audit.body.items.map((a: { action: string }) => a.action);
    expect(actions).toEqual(['schedule.delete', 'schedule.resume', 'schedule.pause', 'schedule.change', 'schedule.create']);
  });

  it.each([
    [{ cron: '0 0 1 * * *' }, '/cron', 'seconds'],
    [{ cron: '61 * * * *' }, '/cron', '0-59'],
    [{ cron: '0 0 31 4 *' }, '/cron', ''],
    [{ cron: '0 0 15W * *' }, '/cron', 'day-of-month "15W"'],
    [{ exclude: ['2026-12-25', '2026-02-30'] }, '/exclude/1', '2026-02-30'],
    [{ exclude: 'Sundays' }, '/exclude', ''],
    [{ cron: '0 0 25 12 *', exclude: ['12-25'] }, '/cron', 'never'],
    [{ timezone: 'Europe/Atlantis' }, '/timezone', 'IANA'],
    [{ timezone: '+02:00' }, '/timezone', 'IANA'],
    [{ template: 'gone' }, '/template', 'there is none'],
    [{ template_version: 9 }, '/template', 'version 9'],
    [{ queue: 'gone' }, '/queue', 'there is none'],
    [{ parameters: { n: 'x' } }, '/parameters/n', ''],
    [{ parameters: { n: '{{nominal_at}}' } }, '/parameters/n', ''],
    [{ catchup: 'all' }, '/catchup', 'overlap'],
    [{ start_at: '2030-01-02T00:00:00Z', end_at: '2030-01-01T00:00:00Z' }, '/end_at', 'start_at'],
    [{ jitter_s: -1 }, '/jitter_s', ''],
    [{ overlap: 'maybe' }, '/overlap', ''],
    [{ surprise: 1 }, '/surprise', ''],
  ])('with %j is refused, pointing at %s', async (more, pointer, detail) => {
    const before = await countOf(api.em, 'schedules');
    const answer = await user().post('/schedules').send(body(more));
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toEqual([{ pointer, detail: expect.stringContaining(detail) }]);
    expect(await countOf(api.em, 'schedules')).toBe(before);
  });

  it('runs what its owner may run: a template of shell needs the right', async () => {
    await makeTemplate(api.em, 'sh', { engine: 'shell' });
    expect(
      (
        await user()
          .post('/schedules')
          .send(body({ template: 'sh' }))
      ).status,
    ).toBe(403);
    expect(
      (
        await api
          .as(api.admin)
          .post('/schedules')
          .send(body({ template: 'sh' }))
      ).status,
    ).toBe(201);
  });

  it('of another user may be stopped by operators, but what it runs is not theirs to change', async () => {
    const id = await create();
    const ops = api.as(api.operator);
    expect((await ops.patch(`/schedules/${id}`).send({ cron: '0 5 * * *' })).status).toBe(200);
    expect((await ops.patch(`/schedules/${id}`).send({ parameters: { text: 'mine' } })).status).toBe(403);
    expect(
      (
        await api
          .as(api.admin)
          .patch(`/schedules/${id}`)
          .send({ parameters: { text: 'fine' } })
      ).status,
    ).toBe(200);
    expect((await ops.post(`/schedules/${id}/pause`)).body).toMatchObject({ status: 'paused', user: 'user' });
    expect((await ops.get('/schedules?user=user')).body.items.length).toBeGreaterThan(0);
    expect((await api.as(api.stranger).get('/schedules?user=user')).status).toBe(403);
  });

  it('is run now as a task of whoever asks, without a row in the ledger', async () => {
    const id = await create({ parameters: { text: '{{nominal_at}}' }, tags: { a: 'b' } });
    const answer = await user().post(`/schedules/${id}/run-now`);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      template: 't',
      user: 'user',
      tags: { a: 'b' },
      parameters: { text: expect.stringMatching(/^20\d\d-/) },
    });
    expect(answer.headers.location).toBe(`/api/v1/tasks/${answer.body.uuid}`);
    expect((await user().get(`/schedules/${id}`)).body.live).toBe(1);
    expect((await user().get(`/schedules/${id}/occurrences`)).body.items).toEqual([]);
  });

  it('that has ended goes on when a change lets it', async () => {
    const id = await create({ cron: '* * * * * *', seconds: true, max_runs: 1 });
    await query(api.em, `update schedules set cursor_at = now() - interval '5 s' where id = $1`, [id]);
    await fireDue(contextOf(api.em, api.user).em, { id }, testEngines);
    expect((await user().get(`/schedules/${id}`)).body).toMatchObject({ status: 'ended', runs: 1, next_at: null });
    expect((await user().post(`/schedules/${id}/resume`)).status).toBe(409);
    expect((await user().patch(`/schedules/${id}`).send({ max_runs: 10, cron: '0 0 0 1 1 *' })).body).toMatchObject({
      status: 'active',
      status_reason: null,
    });
  });

  it('keeps the queue that it names from being deleted, as far as it is there', async () => {
    await makeQueue(api.em, 'named');
    await makeTemplate(api.em, 'named');
    const id = await create({ queue: 'named', template: 'named' });
    expect((await api.as(api.operator).delete('/queues/named')).body.detail).toContain('schedules');
    expect((await api.as(api.operator).delete('/templates/named')).body.detail).toContain('schedules');
    await user().delete(`/schedules/${id}`);
    expect((await api.as(api.operator).delete('/queues/named')).status).toBe(204);
    expect((await api.as(api.operator).delete('/templates/named')).status).toBe(204);
  });
});

describe('a preview', () => {
  it('says which days are left out, and goes on after them', async () => {
    const id = await create({ exclude: ['2026-03-28/2026-03-30'] });
    const at = async () => {
      const { body: shown } = await user().get(`/schedules/${id}/preview?n=2&after=2026-03-27T00:00:00Z`);
      return [shown.fires.map((f: { nominal_at: string }) => f.nominal_at), shown.warnings];
    };
    expect(await at()).toEqual([
      ['2026-03-27T01:30:00.000Z', '2026-03-31T00:30:00.000Z'],
      expect.arrayContaining([expect.stringContaining('2026-03-28 is left out (2026-03-28/2026-03-30)')]),
    ]);
    expect(
      (
        await user()
          .patch(`/schedules/${id}`)
          .send({ exclude: ['03-28'] })
      ).body.exclude,
    ).toEqual(['03-28']);
    expect((await at())[0]).toEqual(['2026-03-27T01:30:00.000Z', '2026-03-29T01:00:00.000Z']);
  });

  it('shows the next fires with warnings about daylight saving', async () => {
    const id = await create();
    const { body: shown } = await user().get(`/schedules/${id}/preview?n=3&after=2026-03-28T00:00:00Z`);
    expect(shown).toMatchObject({
      words: 'At 02:30 every day, Europe/Berlin time',
      timezone: 'Europe/Berlin',
      tzdata: expect.stringMatching(/^20\d\d/),
    });
    expect(shown.fires.map((f: { nominal_at: string }) => f.nominal_at)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(shown.fires[1]).toMatchObject({ nominal_local: '2026-03-29T02:30:00', dst: 'shifted' });
    expect(shown.warnings[0]).toContain('2026-03-29 02:30:00 in Europe/Berlin does not exist');
    const autumn = await user().get(`/schedules/${id}/preview?after=2026-10-24T12:00:00Z`);
    expect(autumn.body.fires.length).toBe(10);
    expect(autumn.body.warnings).toContainEqual(expect.stringContaining('comes twice'));
  });

  it('needs no schedule', async () => {
    const answer = await user()
      .post('/schedules/preview?n=2&after=2026-01-01T00:00:00Z')
      .send({ cron: '0 0 * * *', timezone: 'Asia/Kolkata' });
    expect(answer.status).toBe(200);
    expect(answer.body.fires.map((f: { nominal_at: string }) => f.nominal_at)).toEqual([
      '2026-01-01T18:30:00.000Z',
      '2026-01-02T18:30:00.000Z',
    ]);
    expect((await user().post('/schedules/preview').send({ cron: 'x' })).status).toBe(422);
    expect((await user().post('/schedules/preview?n=0').send({ cron: '0 0 * * *' })).status).toBe(422);
  });
});

describe('the ledger and backfills', () => {
  it('are read in pages and filtered', async () => {
    const id = await create({ cron: '0 * * * *', timezone: 'UTC', overlap: 'allow', catchup: 'none' });
    const made = await user()
      .post(`/schedules/${id}/backfills`)
      .send({ from: '2026-01-01T00:00:00Z', until: '2026-01-01T04:30:00Z', max_active: 5, dry_run: true });
    expect(made.body).toMatchObject({ dry_run: true, total: 5, already: 0, backfill: null });
    await query(api.em, `update schedules set cursor_at = '2026-01-01T00:30:00Z' where id = $1`, [id]);
    await fireDue(contextOf(api.em, api.user).em, { id, now: Date.parse('2026-01-01T05:10:00Z') }, testEngines);
    const first = await user().get(`/schedules/${id}/occurrences?limit=3`);
    expect(first.body.items.map((o: { nominal_at: string }) => o.nominal_at.slice(11, 13))).toEqual(['05', '04', '03']);
    const rest = await user().get(`/schedules/${id}/occurrences?limit=3&cursor=${first.body.next_cursor}`);
    expect(rest.body).toMatchObject({
      items: [{ outcome: 'skipped_catchup' }, { outcome: 'skipped_catchup', task: null, count: 1 }],
      next_cursor: null,
    });
    expect((await user().get(`/schedules/${id}/occurrences?outcome=ran,missed`)).body.items).toEqual([]);
    expect((await user().get(`/schedules/${id}/occurrences?outcome=gone`)).status).toBe(422);
    const answer = await user().post(`/schedules/${id}/backfills`).send({ from: '2026-01-01T01:00:00Z', until: '2026-01-01T03:00:00Z' });
    expect(answer.body).toMatchObject({ total: 3, backfill: { status: 'running', total: 3, submitted: 0, max_active: 1, user: 'user' } });
    const { id: backfill } = answer.body.backfill;
    expect((await user().get(`/schedules/${id}/backfills`)).body.items.map((b: { id: string }) => b.id)).toEqual([backfill]);
    expect((await user().post(`/schedules/${id}/backfills/${backfill}/cancel`)).body.status).toBe('cancelled');
    expect((await user().get(`/schedules/${id}/backfills/${backfill}`)).body.status).toBe('cancelled');
    expect((await user().get(`/schedules/${id}/backfills/${id}`)).status).toBe(404);
  });
});
