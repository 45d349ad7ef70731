import type { CommandContext } from '../../commands/context.ts';
import { dueSchedules } from '../../commands/due-schedules.ts';
import { findMissed } from '../../commands/find-missed.ts';
import { fireDue } from '../../commands/fire-occurrence.ts';
import { pauseSchedule, resumeSchedule } from '../../commands/pause-schedule.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, countOf, emptyDatabase, makeUser, makeWorld, testEngines } from '../support/factories.ts';
import { endTasks, fireAt, ledgerOf, makeSchedule, outcomesOf } from '../support/schedules.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  em = db.em as Em;
});
afterAll(() => db.drop());
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
});

const DAWN = '2026-06-01T00:30:00Z';
const scheduleRow = async (id: string) =>
  (
    await query<{ status: string; status_reason: string | null; runs: number; next: string | null; cursor: string }>(
      em,
      `select status, status_reason, runs, to_char(next_at at time zone 'UTC', 'MM-DD HH24:MI') as next,
       to_char(cursor_at at time zone 'UTC', 'MM-DD HH24:MI') as cursor from schedules where id = $1`,
      [id],
    )
  )[0];
const taskStatuses = async () =>
  (await query<{ status: string }>(em, 'select status from tasks order by uuid')).map(({ status }) => status);

describe('a fire', () => {
  it('is one row and one task, however often it is asked for', async () => {
    const id = await makeSchedule(ctx, DAWN, { parameters: { text: '{{nominal_at}} from {{data_start}}' }, priority: 7, tags: { a: 'b' } });
    expect(await fireAt(em, id, '2026-06-01T00:59:59Z')).toMatchObject({ submitted: 0, due_in_ms: 1_000 });
    expect(await fireAt(em, id, '2026-06-01T01:00:00Z')).toMatchObject({ submitted: 1, due_in_ms: 3_600_000 });
    expect(await fireAt(em, id, '2026-06-01T01:00:01Z')).toMatchObject({ submitted: 0 });
    const [row] = await ledgerOf(em, id);
    expect(row).toMatchObject({ at: '06-01 01:00', local: '2026-06-01T01:00:00', outcome: 'ran', ordinal: 1, count: 1 });
    const [task] = await query(em, 'select uuid, parameters, priority, tags, source_id from tasks');
    expect(task).toMatchObject({ uuid: row?.task, priority: 7, tags: { a: 'b' }, source_id: id });
    expect(task?.parameters).toEqual({ text: '2026-06-01T01:00:00.000Z from 2026-06-01T00:00:00.000Z' });
    expect(await scheduleRow(id)).toMatchObject({ runs: 1, next: '06-01 02:00', cursor: '06-01 01:00', status: 'active' });
  });

  it('stays one when the cursor is moved back by hand', async () => {
    const id = await makeSchedule(ctx, DAWN, { overlap: 'allow' });
    await fireAt(em, id, '2026-06-01T01:00:00Z');
    await query(em, 'update schedules set cursor_at = $2 where id = $1', [id, DAWN]);
    await fireAt(em, id, '2026-06-01T02:00:00Z');
    expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran', '06-01 02:00 ran']);
    await expect(
      query(
        em,
        `insert into occurrences (schedule_id, nominal_at, nominal_local, outcome) values ($1, '2026-06-01T01:00:00Z', '', 'ran')`,
        [id],
      ),
    ).rejects.toThrow('occurrences_schedule_nominal_key');
  });

  it('by twenty at once submits one task', async () => {
    const id = await makeSchedule(ctx, DAWN);
    await Promise.all(Array.from({ length: 20 }, () => fireAt(em, id, '2026-06-01T01:00:05Z')));
    expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran']);
    expect(await countOf(em, 'tasks')).toBe(1);
  });

  it('comes as much later as its jitter says, its nominal time stays', async () => {
    const id = await makeSchedule(ctx, DAWN, { jitter_s: 600 });
    const first = await fireAt(em, id, '2026-06-01T00:59:00Z');
    const due = Date.parse('2026-06-01T00:59:00Z') + (first?.due_in_ms ?? 0);
    expect(due).toBeGreaterThanOrEqual(Date.parse('2026-06-01T01:00:00Z'));
    expect(due).toBeLessThan(Date.parse('2026-06-01T01:10:00Z'));
    expect((await fireAt(em, id, new Date(due - 1).toISOString()))?.submitted).toBe(0);
    expect((await fireAt(em, id, new Date(due).toISOString()))?.submitted).toBe(1);
    expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran']);
  });

  it('that cannot be submitted says why in the ledger, and the next one is tried again', async () => {
    const owner = contextOf(em, await makeUser(em, 'grace'));
    const id = await makeSchedule(owner, DAWN, { overlap: 'allow' });
    await query(em, `update users set is_active = false where username = 'grace'`);
    await fireAt(em, id, '2026-06-01T01:00:00Z');
    await query(em, `update users set is_active = true where username = 'grace'`);
    await query(em, `update queues set status = 'drain'`);
    await fireAt(em, id, '2026-06-01T02:00:00Z');
    await query(em, `update queues set status = 'active'`);
    await fireAt(em, id, '2026-06-01T03:00:00Z');
    const rows = await ledgerOf(em, id);
    expect(rows.map(({ outcome }) => outcome)).toEqual(['failed_submit', 'failed_submit', 'ran']);
    expect(rows.map(({ note }) => note)).toEqual([expect.stringContaining('not active'), expect.stringContaining('draining'), null]);
    expect((await scheduleRow(id))?.runs).toBe(1);
  });

  it('needs the rights that its owner has then', async () => {
    await query(em, `insert into templates (name, engine) values ('sh', 'shell')`);
    await query(
      em,
      `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy)
      select 'sh', 1, '{}', '{}', 'q', 1, 1, retry_policy from template_versions where template = 't'`,
    );
    const owner = contextOf(em, await makeUser(em, 'grace', { rights: ['shell'] }));
    const id = await makeSchedule(owner, DAWN, { template: 'sh' });
    await query(em, `update users set rights = '{}' where username = 'grace'`);
    await fireAt(em, id, '2026-06-01T01:00:00Z');
    expect((await ledgerOf(em, id))[0]).toMatchObject({
      outcome: 'failed_submit',
      note: expect.stringContaining('lacks the right "shell"'),
    });
  });

  it('uses the pinned version of its template, or else the newest', async () => {
    await query(
      em,
      `insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy)
      select template, 2, schema, '{"n": 2}', queue, cpu, memory_mb, retry_policy from template_versions where template = 't'`,
    );
    const [pinned, latest] = [await makeSchedule(ctx, DAWN, { template_version: 1 }), await makeSchedule(ctx, DAWN)];
    await query(em, `update templates set current_version = 2 where name = 't'`);
    for (const id of [pinned, latest]) await fireAt(em, id, '2026-06-01T01:00:00Z');
    const versions = await query<{ version: number }>(
      em,
      `select v.version from tasks t join template_versions v on v.id = t.template_version_id
      order by t.source_id = $1 desc`,
      [pinned],
    );
    expect(versions.map(({ version }) => version)).toEqual([1, 2]);
  });
});

describe('daylight saving', () => {
  const berlin = { cron: '30 2 * * *', timezone: 'Europe/Berlin', overlap: 'allow' };
  it('shifts a fire out of the gap, or records that there was none', async () => {
    const [shift, skip] = [
      await makeSchedule(ctx, '2026-03-28T12:00:00Z', berlin),
      await makeSchedule(ctx, '2026-03-28T12:00:00Z', { ...berlin, dst_gap: 'skip' }),
    ];
    for (const id of [shift, skip]) await fireAt(em, id, '2026-03-29T01:00:10Z');
    expect(await ledgerOf(em, shift)).toMatchObject([
      { at: '03-29 01:00', local: '2026-03-29T02:30:00', outcome: 'dst_shifted', task: expect.any(String) },
    ]);
    expect(await ledgerOf(em, skip)).toMatchObject([
      { at: '03-29 01:00', local: '2026-03-29T02:30:00', outcome: 'skipped_calendar', task: null },
    ]);
  });
  it('runs a time that comes twice as the policy says', async () => {
    const outcomes = async (dst_overlap: string) => {
      const id = await makeSchedule(ctx, '2026-10-24T12:00:00Z', { ...berlin, dst_overlap });
      for (const now of ['2026-10-25T00:30:10Z', '2026-10-25T01:30:10Z']) await fireAt(em, id, now);
      return await outcomesOf(em, id);
    };
    expect(await outcomes('first')).toEqual(['10-25 00:30 ran', '10-25 01:30 dst_deduped']);
    expect(await outcomes('last')).toEqual(['10-25 00:30 dst_deduped', '10-25 01:30 ran']);
    expect(await outcomes('both')).toEqual(['10-25 00:30 ran', '10-25 01:30 ran']);
  });
});

describe('after an outage', () => {
  const NOON = '2026-06-01T05:00:10Z';
  const outage = async (more: object) => {
    const id = await makeSchedule(ctx, DAWN, { overlap: 'allow', ...more });
    await fireAt(em, id, NOON);
    return await outcomesOf(em, id);
  };
  it('none skips what is late', async () => {
    expect(await outage({ catchup: 'none' })).toEqual([
      ...['01', '02', '03', '04'].map((h) => `06-01 ${h}:00 skipped_catchup`),
      '06-01 05:00 ran',
    ]);
  });
  it('last runs the newest', async () => {
    expect(await outage({ catchup: 'last', cron: '30 * * * *' })).toEqual([
      ...['01', '02', '03'].map((h) => `06-01 ${h}:30 skipped_catchup`),
      '06-01 04:30 ran',
    ]);
  });
  it('all runs the newest so many of the window, oldest first', async () => {
    const outcomes = await outage({ catchup: 'all', catchup_max: 2, catchup_window_s: 4 * 3600 });
    expect(outcomes).toEqual([
      '06-01 01:00 skipped_catchup',
      '06-01 02:00 skipped_catchup',
      '06-01 03:00 ran',
      '06-01 04:00 ran',
      '06-01 05:00 ran',
    ]);
    const nominal = await query<{ at: string }>(
      em,
      `select o.nominal_local as at from occurrences o join tasks t on t.uuid = o.task_id order by t.uuid`,
    );
    expect(nominal.map(({ at }) => at.slice(11, 13))).toEqual(['03', '04', '05']);
  });
  it('of days, by a rule of each second, has a row for a thousand and one for all the others', async () => {
    const id = await makeSchedule(ctx, '2026-06-01T00:00:00Z', {
      cron: '* * * * * *',
      seconds: true,
      catchup: 'all',
      catchup_max: 3,
      overlap: 'allow',
    });
    let turns = 0;
    while ((await fireAt(em, id, '2026-06-01T20:00:00Z'))?.more) turns += 1;
    expect(turns).toBeGreaterThan(0);
    const [sums] = await query<{ fires: number; rows: number; ran: number }>(
      em,
      `select sum(count)::int4 as fires, count(*)::int4 as rows,
      count(*) filter (where outcome = 'ran')::int4 as ran from occurrences where schedule_id = $1`,
      [id],
    );
    expect(sums?.fires).toBe(20 * 3600);
    expect(sums?.rows).toBeLessThan(3_000);
    expect(sums?.ran).toBe(61 + 3);
    expect(await findMissed(em, id)).toBe(0);
  });
});

describe('earlier tasks that are not final', () => {
  const FIRES = ['2026-06-01T01:00:01Z', '2026-06-01T02:00:01Z', '2026-06-01T03:00:01Z', '2026-06-01T04:00:01Z'];
  const outcomes = async (more: Record<string, unknown>) => {
    const id = await makeSchedule(ctx, DAWN, more);
    for (const now of FIRES) await fireAt(em, id, now);
    return { id, list: (await outcomesOf(em, id)).map((line) => line.slice(12)) };
  };
  it('make skip skip', async () => {
    expect((await outcomes({ overlap: 'skip' })).list).toEqual(['ran', 'skipped_overlap', 'skipped_overlap', 'skipped_overlap']);
  });
  it('keep one fire waiting by queue_one, until they are final', async () => {
    const { id, list } = await outcomes({ overlap: 'queue_one' });
    expect(list).toEqual(['ran', 'queued', 'skipped_overlap', 'skipped_overlap']);
    expect(await dueSchedules(em, { grace_ms: 1e12, limit: 10 })).toEqual([]);
    await endTasks(em);
    expect(await dueSchedules(em, { grace_ms: 1e12, limit: 10 })).toEqual([id]);
    await fireAt(em, id, '2026-06-01T04:30:00Z');
    expect((await ledgerOf(em, id))[1]).toMatchObject({ outcome: 'ran', task: expect.any(String) });
    expect(await taskStatuses()).toEqual(['cancelled', 'queued']);
  });
  it('keep as many as max waiting by queue_all, released one after the other', async () => {
    const { id, list } = await outcomes({ overlap: 'queue_all', overlap_max: 2 });
    expect(list).toEqual(['ran', 'queued', 'queued', 'skipped_overlap']);
    for (const left of [1, 0]) {
      await endTasks(em);
      await fireAt(em, id, '2026-06-01T04:30:00Z');
      expect(await countOf(em, `occurrences where outcome = 'queued'`)).toBe(left);
    }
    expect(await countOf(em, 'tasks')).toBe(3);
    expect((await scheduleRow(id))?.runs).toBe(3);
  });
  it('are cancelled by cancel_running; those that run are waited for', async () => {
    const { id, list } = await outcomes({ overlap: 'cancel_running' });
    expect(list).toEqual(['ran', 'ran', 'ran', 'ran']);
    expect(await taskStatuses()).toEqual(['cancelled', 'cancelled', 'cancelled', 'queued']);
    await query(em, `update tasks set status = 'processing' where status = 'queued'`);
    for (const now of ['2026-06-01T05:00:01Z', '2026-06-01T06:00:01Z']) await fireAt(em, id, now);
    expect((await outcomesOf(em, id)).slice(4)).toEqual(['06-01 05:00 skipped_overlap', '06-01 06:00 queued']);
    expect(await countOf(em, `tasks where status = 'processing' and cancel_requested_at is not null`)).toBe(1);
    await query(em, `update tasks set status = 'cancelled', completed_at = now() where status = 'processing'`);
    await fireAt(em, id, '2026-06-01T06:30:01Z');
    expect((await outcomesOf(em, id)).at(-1)).toBe('06-01 06:00 ran');
  });
  it('may be so many at once by allow', async () => {
    expect((await outcomes({ overlap: 'allow', overlap_max: 2 })).list).toEqual(['ran', 'ran', 'skipped_overlap', 'skipped_overlap']);
  });
  it('of other schedules do not count', async () => {
    await outcomes({ overlap: 'skip' });
    expect((await outcomes({ overlap: 'skip' })).list[0]).toBe('ran');
  });
});

describe('an end', () => {
  it('comes after max_runs, with fires that wait counted', async () => {
    const id = await makeSchedule(ctx, DAWN, { max_runs: 2, overlap: 'queue_all' });
    for (const hour of ['01', '02', '03']) await fireAt(em, id, `2026-06-01T${hour}:00:01Z`);
    expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran', '06-01 02:00 queued']);
    expect(await scheduleRow(id)).toMatchObject({ status: 'ended', next: null, runs: 2, status_reason: 'ran 2 times' });
    await endTasks(em);
    await fireAt(em, id, '2026-06-01T04:00:00Z');
    expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran', '06-01 02:00 ran']);
  });
  it('comes at end_at, included, and nothing fires before start_at', async () => {
    const id = await makeSchedule(ctx, DAWN, { start_at: '2027-06-01T02:00:00Z', end_at: '2027-06-01T03:00:00Z', overlap: 'allow' });
    await fireAt(em, id, '2027-06-01T02:00:01Z');
    await fireAt(em, id, '2027-06-01T03:00:01Z');
    expect(await outcomesOf(em, id)).toEqual(['06-01 02:00 ran', '06-01 03:00 ran']);
    expect(await scheduleRow(id)).toMatchObject({ status: 'ended', status_reason: 'has no further fire' });
  });
});

describe('a pause', () => {
  it('settles what was due before, fires nothing, and makes up for nothing unless asked', async () => {
    const id = await makeSchedule(ctx, new Date(Date.now() - 90_000).toISOString(), {
      cron: '* * * * * *',
      seconds: true,
      overlap: 'allow',
      overlap_max: 1000,
      catchup: 'all',
      catchup_max: 1000,
    });
    await pauseSchedule(ctx, { id, reason: 'holiday' }, testEngines);
    const before = (await ledgerOf(em, id)).length;
    expect(before).toBeGreaterThanOrEqual(89);
    await query(
      em,
      `update schedules set cursor_at = cursor_at - interval '1 hour', checked_at = cursor_at - interval '1 hour' where id = $1`,
      [id],
    );
    expect(await fireDue(em, { id }, testEngines)).toBeNull();
    await resumeSchedule(ctx, id, false);
    await fireDue(em, { id }, testEngines);
    expect((await ledgerOf(em, id)).length - before).toBeLessThan(10);
    expect(await findMissed(em, id)).toBe(0);
  });
});

test('a row that is gone is recorded as missed, once', async () => {
  const id = await makeSchedule(ctx, DAWN, { overlap: 'allow' });
  for (const hour of ['01', '02', '03']) await fireAt(em, id, `2026-06-01T${hour}:00:01Z`);
  await em.transactional(async (tx) => {
    await query(tx as Em, `set local orchestrator.retention = 'on'`);
    await query(tx as Em, `delete from occurrences where schedule_id = $1 and nominal_at = '2026-06-01T02:00:00Z'`, [id]);
  });
  expect(await findMissed(em, id)).toBe(1);
  expect(await findMissed(em, id)).toBe(0);
  expect(await outcomesOf(em, id)).toEqual(['06-01 01:00 ran', '06-01 02:00 missed', '06-01 03:00 ran']);
});

test('the ledger cannot be rewritten', async () => {
  const id = await makeSchedule(ctx, DAWN);
  for (const hour of ['01', '02']) await fireAt(em, id, `2026-06-01T${hour}:00:01Z`);
  await expect(query(em, `update occurrences set outcome = 'missed' where outcome = 'ran'`)).rejects.toThrow('cannot become');
  await expect(query(em, `update occurrences set outcome = 'ran' where outcome = 'skipped_overlap'`)).rejects.toThrow('cannot become');
  await expect(query(em, `update occurrences set nominal_at = nominal_at + interval '1 s'`)).rejects.toThrow('never changes');
  await expect(query(em, 'delete from occurrences')).rejects.toThrow('append-only');
  expect(await countOf(em, 'occurrences')).toBe(2);
});

describe('days that are left out', () => {
  it('have their rows, run nothing, are not missed, and are not backfilled', async () => {
    const id = await makeSchedule(ctx, DAWN, { exclude: ['2026-06-01'] });
    expect(await fireAt(em, id, '2026-06-01T02:30:00Z')).toMatchObject({ submitted: 0, due_in_ms: 1_800_000 });
    expect((await ledgerOf(em, id)).map(({ outcome, note }) => [outcome, note])).toEqual([
      ['skipped_calendar', 'excluded: 2026-06-01'],
      ['skipped_calendar', 'excluded: 2026-06-01'],
    ]);
    expect(await scheduleRow(id)).toMatchObject({ next: '06-02 00:00', status: 'active' });
    expect(await findMissed(em, id)).toBe(0);
    expect(await fireAt(em, id, '2026-06-02T00:00:30Z')).toMatchObject({ submitted: 1 });
    expect(await countOf(em, 'tasks')).toBe(1);
  });
});
