import { fenced } from '../../activities/fenced.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf, emptyDatabase, makeUser, makeWorld, outcome, startTask } from '../support/factories.ts';

let db: TestDatabase;
let runid: string;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  await emptyDatabase(db.em);
  ({ runid } = await startTask(await makeWorld(db.em)));
});

const fork = () => db.orm.em.fork() as Em;
/** Something that an engine writes. */
const write = async (em: Em) => await makeUser(em, 'written');
const written = async () => await countOf(db.em, `users where username = 'written'`);

test('the owner of an instance writes', async () => {
  await fenced(fork(), { runid, execution: 1 }, write);
  expect(await written()).toBe(1);
});

test('nobody else does: not an earlier execution, not after the end', async () => {
  await query(db.em, 'update instances set lease_epoch = 2 where runid = $1', [runid]);
  await expect(fenced(fork(), { runid, execution: 1 }, write)).rejects.toMatchObject({ code: 'superseded' });
  await finishInstances(db.em, [{ runid, lease_epoch: 2, outcome: outcome('completed') }], 'test');
  await expect(fenced(fork(), { runid, execution: 2 }, write)).rejects.toMatchObject({ code: 'superseded' });
  expect(await written()).toBe(0);
});

test('what fails leaves nothing', async () => {
  const work = async (em: Em) => {
    await write(em);
    throw new Error('broken');
  };
  await expect(fenced(fork(), { runid, execution: 1 }, work)).rejects.toThrow('broken');
  expect(await written()).toBe(0);
});

test('the instance cannot change hands before the owner has written', async () => {
  const order: string[] = [];
  let begun: () => void = () => undefined;
  const inside = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const writing = fenced(fork(), { runid, execution: 1 }, async () => {
    begun();
    await gate;
    order.push('written');
  });
  await inside;
  const taking = query(fork(), 'update instances set lease_epoch = 2 where runid = $1', [runid]).then(() => order.push('taken over'));
  const waiting = `pg_stat_activity where wait_event_type = 'Lock' and query like 'update instances set lease_epoch%'`;
  while ((await countOf(db.em, waiting)) === 0) await new Promise((resolve) => setImmediate(resolve));
  go();
  await Promise.all([writing, taking]);
  expect(order).toEqual(['written', 'taken over']);
});
