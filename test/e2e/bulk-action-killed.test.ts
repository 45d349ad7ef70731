import { createBulkAction } from '../../commands/create-bulk-action.ts';
import { query } from '../../entities/sql.ts';
import { BulkActionCreation } from '../../schemas/bulk-action.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, type Room } from './room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(async () => {
  await room.close();
});

const TASKS = 1_000;

test('a bulk action whose dispatcher is killed in the middle is finished by the next one, each task once', async () => {
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await room.submit(Array.from({ length: TASKS }, () => ({ template: 'shell', parameters: { script: 'true' }, not_before: later })));
  const first = await room.workerProcess('w1');
  const { id } = await createBulkAction(room.context(), BulkActionCreation.parse({ action: 'cancel', filter: { status: ['pending'] } }));
  const done = async () =>
    (await query<{ n: number }>(room.fork(), `select count(*)::int4 as n from bulk_action_items where status = 'done'`))[0]?.n ?? 0;
  await eventually(async () => expect(await done()).toBeGreaterThan(0));
  await first.kill('SIGKILL');
  const before = await done();
  expect(before).toBeLessThan(TASKS);
  await room.worker('w2');
  const status = async () =>
    (await query<{ status: string }>(room.fork(), 'select status from bulk_actions where id = $1', [id]))[0]?.status;
  await eventually(async () => expect(await status()).toBe('completed'), { timeout_ms: 40_000 });
  const audits = await query<{ n: number; tasks: number }>(
    room.fork(),
    `select count(*)::int4 as n, count(distinct subject_id)::int4 as tasks from audit_log where action = 'task.cancel'`,
  );
  expect([await done(), audits]).toEqual([TASKS, [{ n: TASKS, tasks: TASKS }]]);
  await room.expectClean();
});
