import { cancelTask } from '../../commands/cancel-task.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { INSTANCE_TRANSITIONS, InstanceStatus, TASK_TRANSITIONS, TaskStatus } from '../../core/states.ts';
import { query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { emptyDatabase, makeWorld, outcome, startTask, submitOne } from '../support/factories.ts';

const REFUSED = { code: '23514' };

/** Every ordered pair of different states. */
const pairs = <S extends string>(states: readonly S[]): [S, S][] =>
  states.flatMap((from) => states.filter((to) => to !== from).map((to): [S, S] => [from, to]));

const TASK_PAIRS = pairs(Object.values(TaskStatus));
const INSTANCE_PAIRS = pairs(Object.values(InstanceStatus));
const FINAL = Object.values(InstanceStatus).filter((s) => INSTANCE_TRANSITIONS[s].length === 0);

describe('what the database itself refuses', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  const fresh = async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em);
  };

  const sql = async (text: string, parameters: unknown[] = []) => await query(db.em, text, parameters);

  /** Puts a row into a state without asking the guards. */
  async function force(table: 'tasks' | 'instances', set: string, key: string): Promise<void> {
    await sql(`alter table ${table} disable trigger user`);
    await sql(`update ${table} set ${set} where ${table === 'tasks' ? 'uuid' : 'runid'} = $1`, [key]);
    await sql(`alter table ${table} enable trigger user`);
  }

  describe('for the state of a task', () => {
    beforeAll(fresh);

    const to = (status: TaskStatus) => `status = '${status}', pending_reason = ${status === 'pending' ? `'hold'` : 'null'}`;

    it.each(TASK_PAIRS)('judges %s to %s as core/states.ts does', async (from, next) => {
      const { uuid } = await submitOne(ctx);
      await force('tasks', to(from), uuid);
      const change = sql(`update tasks set ${to(next)} where uuid = $1`, [uuid]);
      if (TASK_TRANSITIONS[from].includes(next)) await expect(change).resolves.toBeDefined();
      else await expect(change).rejects.toMatchObject({ ...REFUSED, constraint: 'tasks_transition' });
    });

    it('knows no other state, and no pending task without a reason', async () => {
      const { uuid } = await submitOne(ctx);
      await expect(sql(`update tasks set status = 'done' where uuid = $1`, [uuid])).rejects.toMatchObject(REFUSED);
      await expect(sql(`update tasks set status = 'pending' where uuid = $1`, [uuid])).rejects.toMatchObject(REFUSED);
      await expect(sql(`update tasks set pending_reason = 'hold' where uuid = $1`, [uuid])).rejects.toMatchObject(REFUSED);
    });
  });

  describe('for the state of an instance', () => {
    beforeAll(fresh);

    const to = (status: InstanceStatus) =>
      `status = '${status}', end_time = ${INSTANCE_TRANSITIONS[status].length === 0 ? 'clock_timestamp()' : 'null'}`;

    it.each(INSTANCE_PAIRS)('judges %s to %s as core/states.ts does', async (from, next) => {
      const { runid } = await startTask(ctx, { claimed: false });
      await force('instances', to(from), runid);
      const change = sql(`update instances set ${to(next)} where runid = $1`, [runid]);
      if (INSTANCE_TRANSITIONS[from].includes(next)) await expect(change).resolves.toBeDefined();
      else await expect(change).rejects.toMatchObject(REFUSED);
    });

    it.each(FINAL)('lets nothing at all be changed in a %s instance', async (status) => {
      const { runid } = await startTask(ctx);
      await force('instances', to(status), runid);
      for (const set of [`result = '{}'`, `logs = 'x'`, `lease_epoch = 99`, `status = status`]) {
        await expect(sql(`update instances set ${set} where runid = $1`, [runid])).rejects.toMatchObject({
          ...REFUSED,
          constraint: 'instances_final',
        });
      }
    });

    it('keeps the end time together with the final state', async () => {
      const { runid } = await startTask(ctx);
      await expect(sql(`update instances set status = 'failed' where runid = $1`, [runid])).rejects.toMatchObject(REFUSED);
      await expect(sql(`update instances set end_time = now() where runid = $1`, [runid])).rejects.toMatchObject(REFUSED);
    });

    it('never lets the lease epoch fall', async () => {
      const { runid } = await startTask(ctx);
      await expect(sql('update instances set lease_epoch = 0 where runid = $1', [runid])).rejects.toMatchObject({
        constraint: 'instances_lease',
      });
    });

    it('allows one live instance per task, and each attempt once', async () => {
      const { runid } = await startTask(ctx);
      const again = (attempt: number) =>
        sql(
          `insert into instances (task_id, attempt, workflow_id, worker, cpu, memory_mb, timeout)
           select task_id, $2, workflow_id, worker, cpu, memory_mb, timeout from instances where runid = $1`,
          [runid, attempt],
        );
      await expect(again(2)).rejects.toMatchObject({ code: '23505', constraint: 'instances_one_live_per_task' });
      await finishInstances(db.em, [{ runid, lease_epoch: 1, outcome: outcome('completed') }], 'worker:w');
      await expect(again(1)).rejects.toMatchObject({ code: '23505', constraint: 'instances_task_attempt_key' });
    });
  });

  describe('for what is held', () => {
    beforeEach(async () => {
      await fresh();
      await sql(`update pools set total_cpu = 4, total_memory = 400 where name = 'p'`);
      await sql(`update workers set total_cpu = 4, total_memory = 400 where id = 'w'`);
      await sql(`update queues set capacity = 4 where name = 'q'`);
    });

    it.each([
      ['pools', 'used_cpu', 4.001],
      ['pools', 'used_memory', 401],
      ['workers', 'used_cpu', 4.001],
      ['workers', 'used_memory', 401],
      ['queues', 'current_load', 5],
    ])('keeps %s.%s between nothing and what there is', async (table, column, above) => {
      const set = (value: number) => sql(`update ${table} set ${column} = $1`, [value]);
      await set(Math.floor(above - 0.001));
      for (const value of [above, -1, 1_000_000]) await expect(set(value)).rejects.toMatchObject(REFUSED);
      await set(0);
    });

    it.each([
      ['pools', 'used_cpu', 'total_cpu'],
      ['pools', 'used_memory', 'total_memory'],
      ['workers', 'used_cpu', 'total_cpu'],
      ['workers', 'used_memory', 'total_memory'],
      ['queues', 'current_load', 'capacity'],
    ])('lets %s.%s only fall once %s was lowered below it', async (table, used, total) => {
      const set = (column: string, value: number) => sql(`update ${table} set ${column} = $1`, [value]);
      await set(used, 4);
      await set(total, 1);
      await expect(set(used, 5)).rejects.toMatchObject(REFUSED);
      await set(used, 3);
      await expect(set(used, 4)).rejects.toMatchObject(REFUSED);
      await set(used, 0);
      await set(used, 1);
      await expect(set(used, 2)).rejects.toMatchObject(REFUSED);
      await set(total, 2);
      await set(used, 2);
    });

    it('releases a grant once, and never changes what it holds', async () => {
      const { runid } = await startTask(ctx);
      await expect(sql('update grants set cpu = 2 where runid = $1', [runid])).rejects.toMatchObject({ constraint: 'grants_amounts' });
      await sql('update grants set released_at = now() where runid = $1', [runid]);
      for (const set of ['released_at = null', 'released_at = now()', `release_reason = 'again'`]) {
        await expect(sql(`update grants set ${set} where runid = $1`, [runid])).rejects.toMatchObject({
          constraint: 'grants_released_once',
        });
      }
    });

    it('gives an instance one grant', async () => {
      const { runid } = await startTask(ctx);
      const again = sql(`insert into grants (runid, queue, pool, worker, cpu, memory_mb) values ($1, 'q', 'p', 'w', 0, 0)`, [runid]);
      await expect(again).rejects.toMatchObject({ code: '23505' });
    });
  });

  describe('for what is only ever added', () => {
    beforeEach(fresh);

    const row: Record<string, string> = {
      task_history: `select 1`,
      audit_log: `select 1`,
      template_versions: `select 1`,
      instance_logs: `insert into instance_logs (runid, seq, stream, line) select runid, 1, 'stdout', 'x' from instances`,
      sla_versions: `with s as (insert into slas (name) values ('s') returning id)
        insert into sla_versions (sla_id, version, conditions, actions, priority) select id, 1, '{}', '[]', 50 from s`,
    };

    it.each(Object.keys(row))('refuses to change a row of %s', async (table) => {
      await startTask(ctx);
      await sql(row[table] as string);
      await expect(sql(`update ${table} set created_at = now()`)).rejects.toMatchObject({ ...REFUSED, constraint: 'append_only' });
    });

    it.each(['task_history', 'audit_log'])('refuses to remove rows of %s unless retention says so', async (table) => {
      await submitOne(ctx);
      const append = { ...REFUSED, constraint: 'append_only' };
      await expect(sql(`delete from ${table}`)).rejects.toMatchObject(append);
      await expect(sql(`truncate ${table}`)).rejects.toMatchObject(append);
      await db.em.transactional(async (tx) => {
        await query(tx, `set local orchestrator.retention = 'on'`);
        await query(tx, `delete from ${table}`);
      });
      expect(await sql(`select 1 from ${table}`)).toEqual([]);
      await submitOne(ctx);
      await expect(sql(`delete from ${table}`)).rejects.toMatchObject(append);
    });
  });

  describe('for what belongs together', () => {
    beforeEach(fresh);

    it.each([
      ['templates', `delete from templates`],
      ['queues', `delete from queues`],
      ['pools', `delete from pools`],
      ['users', `delete from users`],
      ['tasks', `delete from tasks`],
      ['workers', `delete from workers`],
      ['instances', `delete from instances`],
    ])('keeps %s while something refers to them', async (_, statement) => {
      await startTask(ctx);
      await expect(sql(statement)).rejects.toMatchObject({ code: '23503' });
    });
  });

  it('stamps each change of a row', async () => {
    await fresh();
    const { uuid } = await submitOne(ctx);
    await force('tasks', `updated_at = '2020-01-01'`, uuid);
    await cancelTask(ctx, uuid, null);
    const touched = `select 1 from tasks where updated_at > now() - interval '1 minute'`;
    expect(await sql(touched)).toHaveLength(1);
    for (const table of ['pools', 'queues', 'workers', 'users', 'templates']) {
      await sql(`update ${table} set created_at = created_at`);
      const stale = await sql(
        `select 1 from ${table} where updated_at <> (select max(updated_at) from ${table}) or updated_at < created_at`,
      );
      expect(stale).toEqual([]);
    }
  });
});
