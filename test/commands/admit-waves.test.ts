import { type AdmittedInstance, admit, type Gathering } from '../../commands/admit.ts';
import type { CommandContext } from '../../commands/context.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { checkInvariants } from '../../commands/invariants.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  contextOf,
  emptyDatabase,
  makeQueue,
  makeTemplate,
  makeUser,
  makeWorker,
  makeWorld,
  outcome,
  submit,
} from '../support/factories.ts';

describe('admission of short tasks', () => {
  let db: TestDatabase;
  let ctx: CommandContext;
  let waves: Gathering;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await emptyDatabase(db.em);
    ctx = await makeWorld(db.em);
    await makeTemplate(db.em, 'quick', { batchable: true, cpu: 0.1 });
    await tookAtMost('quick', 0.05);
    waves = { held: new Map(), wait_ms: null, most: 50 };
  });

  const tookAtMost = (template: string, p90_s: number) =>
    query(db.em, `insert into template_runtimes (template, p50_s, p90_s, samples) values ($1, $2, $2, 10)`, [template, p90_s]);
  const byWorkflow = (admitted: readonly AdmittedInstance[]) => [...Map.groupBy(admitted, ({ workflow_id }) => workflow_id)];
  const kindOf = ({ worker, queue, template, user }: AdmittedInstance) => `${worker} ${queue} ${template} ${user}`;
  const sizes = (admitted: readonly AdmittedInstance[]) => byWorkflow(admitted).map(([, members]) => members.length);

  it('divides them evenly into waves, whose members are written down', async () => {
    await submit(ctx, { template: 'quick' }, 120);
    const admitted = await admit(db.em, { waves });
    expect(sizes(admitted)).toEqual([40, 40, 40]);
    const rows = await query<{ workflow_id: string; n: number }>(
      db.em,
      'select workflow_id, count(*)::int4 as n from instances group by workflow_id order by workflow_id',
    );
    expect(rows.map(({ n }) => n)).toEqual([40, 40, 40]);
    expect(rows.every(({ workflow_id }) => /^wave\/[0-9a-f-]{36}$/.test(workflow_id))).toBe(true);
    expect((await checkInvariants(db.em)).flatMap(({ violations }) => violations)).toEqual([]);
  });

  it('puts only tasks of one worker, queue, template and user into a wave', async () => {
    await query(db.em, `update workers set total_cpu = 4`);
    await makeWorker(db.em, 'v', { cpu: 4 });
    await makeQueue(db.em, 'q2');
    await makeTemplate(db.em, 'brisk', { batchable: true, cpu: 0.1 });
    const bob = contextOf(db.em, await makeUser(db.em, 'bob'));
    const kinds = ['quick', 'brisk'].flatMap((template) => ['q', 'q2'].map((queue) => ({ template, queue })));
    for (const kind of kinds) await Promise.all([submit(ctx, kind, 9), submit(bob, kind, 9)]);
    const admitted = await admit(db.em, { waves });
    expect(admitted).toHaveLength(72);
    const mixed = byWorkflow(admitted).filter(([, members]) => new Set(members.map(kindOf)).size > 1);
    expect(mixed).toEqual([]);
    expect(byWorkflow(admitted).filter(([id, { length }]) => (id.startsWith('wave/') ? length < 4 : length > 1))).toEqual([]);
    expect(byWorkflow(admitted).filter(([id]) => id.startsWith('wave/')).length).toBeGreaterThan(5);
  });

  it('leaves alone what comes in small numbers, takes long, or may not', async () => {
    await makeTemplate(db.em, 'slow', { batchable: true, cpu: 0.1 });
    await tookAtMost('slow', 20);
    await submit(ctx, { template: 'quick' }, 3);
    await submit(ctx, { template: 'slow' }, 20);
    await submit(ctx, { template: 't' }, 20);
    const admitted = await admit(db.em, { waves });
    expect(admitted).toHaveLength(43);
    expect(admitted.every(({ workflow_id, task_id }) => workflow_id === `task/${task_id}/1`)).toBe(true);
  });

  it('makes none when it is told not to', async () => {
    await submit(ctx, { template: 'quick' }, 20);
    expect(sizes(await admit(db.em))).toEqual(Array(20).fill(1));
  });

  it('gathers freed places under a backlog before it gives them out again', async () => {
    await query(db.em, `update queues set capacity = 20`);
    await submit(ctx, { template: 'quick' }, 60);
    const first = await admit(db.em, { waves });
    expect(first).toHaveLength(20);
    const end = (instances: readonly AdmittedInstance[]) =>
      finishInstances(
        db.em as Em,
        instances.map(({ runid }) => ({ runid, lease_epoch: null, outcome: outcome('completed') })),
        'test',
      );
    await end(first.slice(0, 3));
    expect(await admit(db.em, { waves })).toEqual([]);
    expect(waves.wait_ms).toBeGreaterThan(0);
    await end(first.slice(3, 12));
    const second = await admit(db.em, { waves });
    expect(sizes(second)).toEqual([12]);
    expect(waves.wait_ms).toBeNull();
    await end(second.slice(0, 2));
    waves.held = new Map([...waves.held, ['q\nempty|0.1|100', 0]]);
    expect(await admit(db.em, { waves })).toHaveLength(2);
  });
});
