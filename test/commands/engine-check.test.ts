import { dryRun } from '../../commands/dry-run.ts';
import { submitTasks } from '../../commands/submit-tasks.ts';
import { EngineError } from '../../core/errors.ts';
import type { Engine, Engines } from '../../engines/define-engine.ts';
import { query } from '../../entities/sql.ts';
import { TaskSubmission } from '../../schemas/task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { countOf, emptyDatabase, makeWorld, testEngines } from '../support/factories.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(() => emptyDatabase(db.em));

/** An engine whose parameter `text` must be the name of a queue, and which keeps `secret` from everybody. */
const check: Engine['check'] = async (parameters, { em, actor }) => {
  const { text } = parameters as { text?: string };
  if (text === 'secret') throw new EngineError('forbidden', `"secret" is not for user "${actor.username}"`);
  const known = await query(em, 'select 1 from queues where name = $1', [text ?? 'q']);
  return known.length > 0 ? [] : [{ pointer: '/parameters/text', detail: `queue "${text}": there is none` }];
};
const all = testEngines.all.map((engine) => (engine.kind === 'empty' ? { ...engine, check } : engine));
const engines: Engines = { all, byKind: (kind) => all.find((engine) => engine.kind === kind) };

const items = (...texts: string[]) => texts.map((text) => TaskSubmission.parse({ template: 't', parameters: { text } }));

test('an engine refuses at submit what only the database knows to be wrong, all bad items together', async () => {
  const ctx = await makeWorld(db.em);
  const submission = submitTasks(ctx, { items: items('q', 'no', 'q', 'nor'), idempotency: null }, engines);
  await expect(submission).rejects.toMatchObject({
    code: 'invalid_input',
    errors: [
      { pointer: '/1/parameters/text', detail: 'queue "no": there is none' },
      { pointer: '/3/parameters/text', detail: 'queue "nor": there is none' },
    ],
  });
  expect(await countOf(db.em, 'tasks')).toBe(0);
  expect((await submitTasks(ctx, { items: items('q', 'q'), idempotency: null }, engines)).tasks).toHaveLength(2);
});

test('it may keep things from a user, and a dry run says the same', async () => {
  const ctx = await makeWorld(db.em);
  await expect(submitTasks(ctx, { items: items('secret'), idempotency: null }, engines)).rejects.toMatchObject({ code: 'forbidden' });
  await expect(dryRun(ctx, items('no'), { engines, lost_after_s: 60 })).rejects.toMatchObject({ code: 'invalid_input' });
});
