import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { makePool, makeQueue, makeTemplate, makeUser, makeWorker } from '../support/factories.ts';
import { answerOf, compareChoices } from './random-choices.ts';

const ROUNDS = 60;

describe('looking at the first tasks of each queue', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it('decides as looking at all groups does', async () => {
    const seed = Date.now() % 1_000_000;
    process.stdout.write(`choices: ${ROUNDS} worlds, seed ${seed}\n`);
    const seen = { started: 0, simple: 0 };
    await compareChoices(db.em as Em, { seed, rounds: ROUNDS }, ({ simple, whole, ...compared }) => {
      expect({ seed, ...compared, starts: simple.starts }).toEqual({ seed, ...compared, starts: whole.starts });
      seen.started += whole.starts.length;
      if (simple.choice.snapshot.candidates.length < whole.choice.snapshot.candidates.length) seen.simple += 1;
    });
    expect(seen.started).toBeGreaterThan(ROUNDS / 2);
    expect(seen.simple).toBeGreaterThan(ROUNDS / 20);
  }, 120_000);

  describe('where what fits waits far behind the head, among hundreds of needs', () => {
    const FAR = `
insert into tasks (name, template, template_version_id, type, status, queue, user_id, cpu, memory_mb, need, vtime, eligible_at, retry_policy)
select 'n', 't', v.id, 'empty', 'queued', 'a', u.id, s.cpu, 100, 'empty|' || s.cpu, now() + n * interval '1 ms', now() - s.waited * interval '1 s', v.retry_policy
from generate_series(1, 900) n, template_versions v, users u,
  lateral (select case when n % 300 = 299 then 1 else 2 + n % 300 / 1000.0 end as cpu, case when n = $1 then 1000 else 0 end as waited) s`;
    const fill = async (oldest: number | null): Promise<void> => {
      await query(db.em, 'delete from tasks');
      await query(db.em, FAR, [oldest]);
    };
    const needs = async ({ starts }: { starts: string[] }): Promise<string[]> => {
      const sql = 'select cpu::text as cpu from tasks where uuid = any($1)';
      const rows = await query<{ cpu: string }>(db.em, sql, [starts.map((start) => start.split(' ')[0])]);
      return rows.map(({ cpu }) => String(Number(cpu)));
    };
    const choose = (options = {}) => answerOf(db.em as Em, { limit: 200, ...options });

    beforeAll(async () => {
      await makePool(db.em, 'far', { cpu: 1.5, memory_mb: 4_000 });
      await makeWorker(db.em, 'w', { pool: 'far', cpu: 1.5, memory_mb: 4_000 });
      await makeQueue(db.em, 'a', { pool: 'far', capacity: 10 });
      await makeTemplate(db.em, 't', { queue: 'a' });
      await makeUser(db.em);
    });

    it('finds it without looking at each need', async () => {
      await fill(null);
      const [near, whole] = [await choose(), await choose({ whole: true })];
      expect([near.by, whole.by, near.starts, await needs(near)]).toEqual(['fitting', 'groups', whole.starts, ['1']]);
    });

    it('looks at each need where room might be kept for one that does not fit', async () => {
      await fill(100);
      const [near, whole] = [await choose(), await choose({ whole: true })];
      expect([near.by, near.starts]).toEqual(['groups', whole.starts]);
    });

    it('looks at the first tasks alone where the line is strict: nothing passes its head', async () => {
      await fill(null);
      await query(db.em, `update queues set policy = 'strict'`);
      const near = await choose();
      expect([near.by, near.starts]).toEqual(['line', []]);
    });

    it('looks at each need where it is too far', async () => {
      await fill(null);
      await query(db.em, `update queues set policy = 'best_effort'`);
      const [near, far] = [await choose(), await choose({ reach: { most: 32, walk: 64 } })];
      expect([near.by, far.by, far.starts]).toEqual(['fitting', 'groups', near.starts]);
    });
  });
});
