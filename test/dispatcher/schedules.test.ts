import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { pino } from 'pino';
import { changeSchedule } from '../../commands/change-schedule.ts';
import type { CommandContext } from '../../commands/context.ts';
import { deleteSchedule } from '../../commands/delete-schedule.ts';
import { pauseSchedule } from '../../commands/pause-schedule.ts';
import { loadConfig } from '../../config/env.ts';
import type { DispatcherDeps } from '../../dispatcher/deps.ts';
import { OrchestratorWorker } from '../../dispatcher/orchestrator-worker.ts';
import { ScheduleMirror } from '../../dispatcher/schedule-mirror.ts';
import { ScheduleSweeper } from '../../dispatcher/schedule-sweeper.ts';
import { TemporalLink } from '../../dispatcher/temporal-link.ts';
import { type Em, query } from '../../entities/sql.ts';
import { installRuntime } from '../../platform/temporal-runtime.ts';
import { createTestDatabase, type TestDatabase, temporalAddress } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { contextOf, countOf, emptyDatabase, makeUser, makeWorld, testEngines } from '../support/factories.ts';
import { makeNamespace } from '../support/namespace.ts';
import { makeSchedule } from '../support/schedules.ts';
import { testServers } from '../support/test-servers.ts';

let db: TestDatabase;
let em: Em;
let ctx: CommandContext;
let connection: Connection;
let deps: DispatcherDeps;
let mirror: ScheduleMirror;

beforeAll(async () => {
  installRuntime(pino({ level: 'silent' }));
  db = await createTestDatabase();
  em = db.em as Em;
  connection = await Connection.connect({ address: temporalAddress() });
  const namespace = await makeNamespace();
  deps = {
    fork: () => db.orm.em.fork() as Em,
    database_url: db.url,
    client: new Client({ connection, namespace }),
    temporal_address: temporalAddress(),
    engines: testEngines,
    local_worker: null,
    ensureSearchAttributes: async () => undefined,
    config: { ...loadConfig({ TEMPORAL_NAMESPACE: namespace }), DATA_DIR: testServers().data_dir },
    logger: pino({ level: 'silent' }),
  };
  mirror = new ScheduleMirror(deps, new TemporalLink(deps.client, deps.logger));
});
afterAll(async () => {
  await emptyDatabase(em);
  mirror.forget();
  await mirror.tick();
  await connection.close();
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(em);
  ctx = await makeWorld(em);
});

const NOW = () => new Date().toISOString();
const described = async (id: string) => await deps.client.schedule.getHandle(`cron/${id}`).describe();
const mine = async (): Promise<string[]> => {
  const ids: string[] = [];
  const [row] = await query<{ mark: string }>(
    em,
    `select system_identifier::text || '/' || current_database() as mark from pg_control_system()`,
  );
  for await (const { scheduleId, memo } of deps.client.schedule.list()) if (memo?.database === row?.mark) ids.push(scheduleId);
  return ids.sort();
};

describe('the mirror', () => {
  it('tells Temporal of each schedule: when to wake us, and nothing that decides', async () => {
    const id = await makeSchedule(ctx, NOW(), { cron: '0,30 9-17 1,15 * 5', timezone: 'Europe/Berlin', jitter_s: 60 });
    await mirror.tick();
    const { spec, policies, action, state } = await described(id);
    expect(policies).toMatchObject({ overlap: 'ALLOW_ALL', catchupWindow: 60_000 });
    expect(action).toMatchObject({
      workflowType: 'cronFire',
      workflowId: `cron/${id}`,
      taskQueue: 'orchestrator',
      args: [{ schedule_id: id, jitter_ms: expect.any(Number) }],
    });
    expect(spec.timezone).toBe('Europe/Berlin');
    expect(spec.calendars?.length).toBe(2);
    expect(state.paused).toBe(false);
  });

  it('follows changes, pauses and deletions', async () => {
    const id = await makeSchedule(ctx, NOW());
    await mirror.tick();
    const before = (await described(id)).state.note;
    await changeSchedule(ctx, { id, change: { cron: '@every 15m/2m' } }, testEngines);
    await pauseSchedule(ctx, { id, reason: null }, testEngines);
    await mirror.tick();
    const { spec, state } = await described(id);
    expect(spec.intervals).toEqual([{ every: 900_000, offset: 120_000 }]);
    expect(state).toMatchObject({ paused: true });
    expect(state.note).not.toBe(before);
    await deleteSchedule(ctx, id, testEngines);
    await mirror.tick();
    await expect(described(id)).rejects.toThrow(ScheduleNotFoundError);
    expect(await countOf(em, 'schedules where mirror_hash is null')).toBe(0);
  });

  it('makes again what Temporal lost, puts right what was changed there, and removes what has no row', async () => {
    const [lost, changed, gone] = [await makeSchedule(ctx, NOW()), await makeSchedule(ctx, NOW()), await makeSchedule(ctx, NOW())];
    await mirror.tick();
    await deps.client.schedule.getHandle(`cron/${lost}`).delete();
    await deps.client.schedule.getHandle(`cron/${changed}`).pause('by hand');
    await query(em, 'delete from schedules where id = $1', [gone]);
    await eventually(async () => {
      mirror.forget();
      await mirror.tick();
      expect(await mine()).toEqual([`cron/${lost}`, `cron/${changed}`].sort());
      expect((await described(changed)).state.paused).toBe(false);
    });
    expect((await described(lost)).state.paused).toBe(false);
  });

  it('leaves the Schedules of others alone', async () => {
    const other = `cron/other-${process.pid}`;
    await deps.client.schedule.create({
      scheduleId: other,
      spec: {},
      action: { type: 'startWorkflow', workflowType: 'x', taskQueue: 'nobody' },
    });
    mirror.forget();
    await mirror.tick();
    await deps.client.schedule.getHandle(other).describe();
    await deps.client.schedule.getHandle(other).delete();
  });
});

test('Temporal fires a schedule through the workflow cronFire, and the database decides once', async () => {
  const orchestrator = new OrchestratorWorker(deps, { fired: () => undefined, acted: () => undefined });
  orchestrator.start();
  await eventually(() => expect(orchestrator.polls).toBe(true), { timeout_ms: 30_000 });
  const id = await makeSchedule(ctx, NOW(), { cron: '*/2 * * * * *', seconds: true, overlap: 'allow', overlap_max: 1_000 });
  await mirror.tick();
  await eventually(async () => expect(await countOf(em, `occurrences where outcome = 'ran'`)).toBeGreaterThanOrEqual(3), {
    timeout_ms: 20_000,
  });
  await pauseSchedule(ctx, { id, reason: null }, testEngines);
  await mirror.tick();
  const { info } = await described(id);
  expect(info.numActionsTaken).toBeGreaterThanOrEqual(2);
  const [fired] = info.recentActions;
  const workflow = deps.client.workflow.getHandle(fired?.action.workflow.workflowId ?? '');
  expect(await workflow.result()).toEqual({ submitted: expect.any(Number) });
  expect(await countOf(em, 'tasks')).toBe(await countOf(em, `occurrences where task_id is not null`));
  await orchestrator.stop();
}, 60_000);

test('a thousand schedules that are due in the same minute have all their rows, whoever of two sweepers is at it', async () => {
  await query(em, 'update users set quota = null');
  const rows = await query<{ id: string }>(
    em,
    `insert into schedules (name, user_id, cron, template, overlap, cursor_at, checked_at, due_at)
     select 'schedule ' || n, $1, to_char(m at time zone 'UTC', 'FMMI FMHH24 * * *'), 't', 'skip', m - interval '30 s', m - interval '30 s', m
     from generate_series(1, 1000) n, date_trunc('minute', now()) as m returning id`,
    [ctx.actor.id],
  );
  expect(rows.length).toBe(1_000);
  const pokes: true[] = [];
  const around = { poke: () => void pokes.push(true), isWoken: () => false };
  const sweepers = [new ScheduleSweeper(deps, around), new ScheduleSweeper(deps, around)];
  await Promise.all(sweepers.map((sweeper) => sweeper.tick()));
  await eventually(
    async () => {
      await Promise.all(sweepers.map((sweeper) => sweeper.tick()));
      expect(await countOf(em, `(select distinct schedule_id from occurrences where outcome = 'ran') as x`)).toBe(1_000);
    },
    { timeout_ms: 60_000 },
  );
  const [first] = await query<{ n: number; tasks: number }>(
    em,
    `select count(*)::int4 as n, count(o.task_id)::int4 as tasks from occurrences o
     where nominal_at = (select min(nominal_at) from occurrences)`,
  );
  expect(first).toEqual({ n: 1_000, tasks: 1_000 });
  expect(await countOf(em, 'tasks')).toBe(1_000);
  expect(pokes.length).toBeGreaterThan(0);
}, 120_000);

test('a schedule that cannot be dealt with does not keep the others waiting', async () => {
  const [broken, good] = [await makeSchedule(ctx, NOW()), await makeSchedule(contextOf(em, await makeUser(em, 'grace')), NOW())];
  await query(em, `update schedules set cron = 'nonsense', due_at = now() - interval '1 minute' where id = $1`, [broken]);
  await query(em, `update schedules set cursor_at = now() - interval '1 hour' where id = $1`, [good]);
  await new ScheduleSweeper(deps, { poke: () => undefined, isWoken: () => false }).tick();
  expect(await countOf(em, 'occurrences where schedule_id = $1', [good])).toBe(1);
  expect(await countOf(em, 'occurrences where schedule_id = $1', [broken])).toBe(0);
  await query(em, 'delete from schedules where id = $1', [broken]);
});
