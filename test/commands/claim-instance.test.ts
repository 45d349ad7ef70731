import { appendLogs } from '../../commands/append-logs.ts';
import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { keepLeases } from '../../commands/keep-leases.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { claim, countOf, emptyDatabase, makeTemplate, makeWorker, makeWorld, outcome, startTask } from '../support/factories.ts';

const BOOT = '00000000-0000-4000-8000-000000000001';

describe('an instance and who owns it', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em);
  });

  const instances = () => query(db.em, 'select * from instances');
  const log = (lease: { runid: string; lease_epoch: number }, from: number, count = 2) => ({
    ...lease,
    cut: 0,
    lines: Array.from({ length: count }, (_, i) => ({ seq: from + i, stream: 'stdout' as const, line: `line ${from + i}` })),
  });

  describe('claimInstance', () => {
    it('is on the disk when it returns, where the work must not run twice', async () => {
      const { runid, worker } = await startTask(ctx, { claimed: false });
      await query(db.em, 'update tasks set at_most_once = true');
      const [before] = await query<{ at: string }>(db.em, 'select pg_current_wal_insert_lsn()::text as at');
      await db.em.transactional(async (tx) => {
        await query(tx as Em, 'set local synchronous_commit = on');
        await claim(tx as Em, { runid, worker });
      });
      expect(await countOf(db.em, '(select 1) one where pg_current_wal_flush_lsn() > $1::pg_lsn', [before?.at])).toBe(1);
    });

    it('gives the engine all that it needs', async () => {
      await makeTemplate(db.em, 'full', {
        parameters: { text: 'a', n: 1 },
        cpu: 0.25,
        memory_mb: 7,
        retry: { max_attempts: 2 },
        at_most_once: true,
      });
      const instance = await startTask(ctx, { claimed: false, item: { template: 'full', parameters: { n: 2 }, timeout: 9 } });
      expect(await claim(db.em, instance)).toMatchObject({
        runid: instance.runid,
        task_id: instance.task.uuid,
        attempt: 1,
        template: 'full',
        engine: 'empty',
        parameters: { text: 'a', n: 2 },
        timeout: 9,
        cpu: 0.25,
        memory_mb: 7,
        user_id: ctx.actor.id,
        username: 'ada',
        previous_status: 'starting',
        cancel_requested: false,
        policy: { max_attempts: 2 },
        retries_used: 0,
        at_most_once: true,
        next_seq: 1,
        output_lines: 0,
        log_lines_cut: 0,
      });
    });

    it('is won by a higher execution only', async () => {
      const instance = await startTask(ctx, { claimed: false });
      const executions = [3, 3, 2, 1, 4, 4, 3];
      const won: number[] = [];
      for (const execution of executions) if (await claim(db.em, instance, execution)) won.push(execution);
      expect(won).toEqual([3, 4]);
    });

    it('is won once when 20 ask for the same execution at once', async () => {
      const instance = await startTask(ctx, { claimed: false });
      const claims = await Promise.all(Array.from({ length: 20 }, () => claim(db.orm.em.fork() as Em, instance, 1)));
      expect(claims.filter(Boolean)).toHaveLength(1);
      expect(await countOf(db.em, `task_history where to_status = 'running'`)).toBe(1);
    });

    it('leaves the highest execution as the owner, in whatever order they come', async () => {
      const instance = await startTask(ctx, { claimed: false });
      const executions = [5, 1, 9, 3, 7, 2, 8, 4, 6];
      const claims = await Promise.all(executions.map((execution) => claim(db.orm.em.fork() as Em, instance, execution)));
      expect(claims[2]).not.toBeNull();
      expect(await instances()).toMatchObject([{ lease_epoch: 9, status: 'running' }]);
    });

    it('is refused once the instance is final', async () => {
      const instance = await startTask(ctx);
      await finishInstances(db.em, [{ runid: instance.runid, lease_epoch: 1, outcome: outcome('failed') }], 'worker:w');
      const before = await instances();
      expect(await claim(db.em, instance, 2)).toBeNull();
      expect(await instances()).toEqual(before);
    });

    it('is refused to another worker, and for an instance that does not exist', async () => {
      const instance = await startTask(ctx, { claimed: false });
      await makeWorker(db.em, 'v');
      expect(await claim(db.em, { ...instance, worker: 'v' })).toBeNull();
      expect(await claim(db.em, { ...instance, runid: '01900000-0000-7000-8000-000000000000' })).toBeNull();
      expect(await instances()).toMatchObject([{ status: 'starting', lease_epoch: 0 }]);
    });

    it('keeps the first start, and tells the next execution how far the logs are and how old the instance is', async () => {
      const instance = await startTask(ctx);
      await appendLogs(db.em, { ...log({ runid: instance.runid, lease_epoch: 1 }, 1, 5), cut: 3 });
      const [before] = await query<{ start_time: string }>(db.em, 'select start_time from instances');
      const again = await claim(db.em, instance, 2);
      expect(again).toMatchObject({ previous_status: 'running', next_seq: 6, output_lines: 8, log_lines_cut: 3 });
      expect(again?.age_s).toBeGreaterThanOrEqual(0);
      expect(await query(db.em, 'select start_time from instances')).toEqual([before]);
    });
  });

  describe('keepLeases', () => {
    const lease = (runid: string, lease_epoch: number, progress = 10) => ({ runid, lease_epoch, progress, note: 'busy' });
    const keep = (leases: ReturnType<typeof lease>[], write = true, boot_id = BOOT) => keepLeases(db.em, { boot_id, leases, write });

    it.each([true, false])('confirms what is owned and omits what is not (write: %s)', async (write) => {
      const [mine, superseded, final] = [await startTask(ctx), await startTask(ctx), await startTask(ctx)];
      await claim(db.em, superseded, 2);
      await finishInstances(db.em, [{ runid: final.runid, lease_epoch: 1, outcome: outcome('lost') }], 'reconciler');
      const kept = await keep(
        [mine, superseded, final].map((i) => lease(i.runid, 1)),
        write,
      );
      expect(kept).toEqual([{ runid: mine.runid, cancel_requested: false, cancel_grace_s: null, overdue: false }]);
      expect(await keep([lease(mine.runid, 1)], write, '00000000-0000-4000-8000-00000000000f')).toEqual([]);
      expect(await keep([], write)).toEqual([]);
    });

    it('tells that somebody asked to stop', async () => {
      const { runid, task } = await startTask(ctx);
      await cancelTask(ctx, task.uuid, null);
      for (const write of [true, false]) expect(await keep([lease(runid, 1)], write)).toMatchObject([{ runid, cancel_requested: true }]);
    });

    it('records heartbeat and progress, which never falls or leaves 0 to 100', async () => {
      const { runid } = await startTask(ctx);
      await query(db.em, `update instances set heartbeat_at = now() - interval '1 hour'`);
      const progress: unknown[] = [];
      for (const value of [40.4, 20, 250]) {
        await keep([lease(runid, 1, value)]);
        progress.push((await instances())[0]?.progress);
      }
      expect(progress).toEqual([40, 40, 100]);
      expect(await countOf(db.em, `instances where heartbeat_at > now() - interval '1 minute' and progress_note = 'busy'`)).toBe(1);
    });

    it('writes nothing when it only looks', async () => {
      const { runid } = await startTask(ctx);
      const before = await instances();
      await keep([lease(runid, 1, 50)], false);
      expect(await instances()).toEqual(before);
    });
  });

  describe('appendLogs', () => {
    const lines = () => query(db.em, 'select seq, line from instance_logs order by seq');

    it('stores lines in order, and the same batch again changes nothing', async () => {
      const { runid } = await startTask(ctx);
      for (const from of [1, 1, 3, 1]) expect(await appendLogs(db.em, log({ runid, lease_epoch: 1 }, from))).toBe(true);
      expect(await lines()).toEqual([1, 2, 3, 4].map((seq) => ({ seq, line: `line ${seq}` })));
      expect(await instances()).toMatchObject([{ log_lines: 4, log_lines_cut: 0 }]);
      expect((await checkInvariants(db.em)).flatMap((r) => r.violations)).toEqual([]);
    });

    it('stores nothing for a superseded execution or a final instance', async () => {
      const instance = await startTask(ctx);
      await claim(db.em, instance, 2);
      expect(await appendLogs(db.em, log({ runid: instance.runid, lease_epoch: 1 }, 1))).toBe(false);
      await finishInstances(db.em, [{ runid: instance.runid, lease_epoch: 2, outcome: outcome('completed') }], 'worker:w');
      expect(await appendLogs(db.em, log({ runid: instance.runid, lease_epoch: 2 }, 1))).toBe(false);
      expect(await lines()).toEqual([]);
    });

    it('remembers how many lines were cut also without new lines', async () => {
      const { runid } = await startTask(ctx);
      await appendLogs(db.em, log({ runid, lease_epoch: 1 }, 1));
      expect(await appendLogs(db.em, { ...log({ runid, lease_epoch: 1 }, 3, 0), cut: 12 })).toBe(true);
      expect(await instances()).toMatchObject([{ log_lines: 2, log_lines_cut: 12 }]);
    });
  });
});
