import type { Actor } from '../../../commands/context.ts';
import type { Em } from '../../../entities/sql.ts';
import { emptyDatabase, makePool, makeQueue, makeTemplate, makeUser, makeWorker } from '../../support/factories.ts';
import type { Random } from './random.ts';

/** An instance that a dispatcher announced; `epoch`: the highest execution known to have claimed it, `done`: known to be final. */
export type Known = { runid: string; task_id: string; worker: string; epoch: number; done: boolean };

/** What the actors of one run share. `findings`: promises that were seen broken; `tally`: how often what happened. */
export type Chaos = {
  em: () => Em;
  users: Actor[];
  known: Known[];
  tasks: string[];
  findings: string[];
  tally: Map<string, number>;
  over: boolean;
};

export const count = (chaos: Chaos, what: string, n = 1): void => void chaos.tally.set(what, (chaos.tally.get(what) ?? 0) + n);
export const found = (chaos: Chaos, what: string): void => void chaos.findings.push(what);

/** One thing that an actor may do. */
export type Action = (chaos: Chaos, random: Random) => Promise<void>;

/** Pool `pa` with its queues is resized and held all the time; `pb` stays as it is, so that its limits can be checked at each moment. */
export async function makeChaosWorld(em: Em): Promise<Actor[]> {
  await emptyDatabase(em);
  await makePool(em, 'pa', { cpu: 6, memory_mb: 4000 });
  await makePool(em, 'pb', { cpu: 3, memory_mb: 1000 });
  for (const [name, pool] of Object.entries({ qa: 'pa', qb: 'pb', qc: 'pa', qd: 'pb' })) {
    const fairness = name === 'qd' ? 'user' : 'none';
    const rate_limit = name === 'qb' ? { limit: 20, per_s: 1, burst: 4 } : null;
    await makeQueue(em, name, { pool, capacity: 4, fairness, rate_limit });
  }
  for (const [id, pool] of Object.entries({ w1: 'pa', w2: 'pa', w3: 'pb', w4: 'pb', w5: 'pa' })) {
    await makeWorker(em, id, { pool, cpu: 2, memory_mb: 1500 });
  }
  const retry = { max_attempts: 3, initial_s: 0.001, factor: 1, max_s: 0.001, jitter: 0.5 };
  await makeTemplate(em, 'plain', { queue: 'qa', cpu: 1.5 });
  await makeTemplate(em, 'retried', { queue: 'qb', cpu: 0.5, retry });
  await makeTemplate(em, 'once', { queue: 'qc', engine: 'other', cpu: 0.25, at_most_once: true, retry });
  await makeTemplate(em, 'keyed', { queue: 'qa', cpu: 0.25, retry, concurrency: { key: 'n', limit: 2, on_limit: 'queue' } });
  await makeTemplate(em, 'dear', { queue: 'qd', cpu: 0.25, quota_cost: 1, retry, concurrency: { key: 'n', limit: 2, on_limit: 'queue' } });
  const rate_limit = { key: 'n', limit: 5, per_s: 1, burst: 2 };
  await makeTemplate(em, 'rated', { queue: 'qc', cpu: 0.25, retry, rate_limit });
  await makeTemplate(em, 'paid', { queue: 'qd', cpu: 0.5, memory_mb: 400, quota_cost: 2, retry });
  return [await makeUser(em, 'ada'), await makeUser(em, 'bob', { quota: 40 }), await makeUser(em, 'root', { role: 'admin' })];
}
