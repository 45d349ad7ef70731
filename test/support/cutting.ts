import type { Em } from '../../entities/sql.ts';

/** What a killed process leaves behind: nothing more is sent, and what was under way is undone. */
export class Killed extends Error {}

/** `statement`: which one, from 1; `before`: it was not sent any more; `after`: it took effect, but nobody read the answer. */
export type Cut = { statement: number; when: 'before' | 'after' };

type Counter = { n: number };

/** An entity manager of a process that dies at one statement, also inside its transactions. */
export const cutting = (em: Em, cut: Cut): Em => wrap(em, cut, { n: 0 });

function wrap(em: Em, cut: Cut, counter: Counter): Em {
  const execute = async (send: () => Promise<unknown>): Promise<unknown> => {
    counter.n += 1;
    const dead = counter.n > cut.statement || (counter.n === cut.statement && cut.when === 'before');
    if (dead) throw new Killed(`at statement ${cut.statement}`);
    const answer = await send();
    if (counter.n === cut.statement) throw new Killed(`after statement ${cut.statement}`);
    return answer;
  };
  const kysely = () =>
    new Proxy(em.getKysely(), {
      get(target, name) {
        if (name !== 'executeQuery') return Reflect.get(target, name, target);
        return (statement: unknown) => execute(() => target.executeQuery(statement as never));
      },
    });
  return new Proxy(em, {
    get(target, name) {
      if (name === 'getKysely') return kysely;
      if (name === 'transactional')
        return (work: (tx: Em) => Promise<unknown>, options?: object) =>
          target.transactional((tx) => work(wrap(tx as Em, cut, counter)), options as never);
      if (name === 'fork') return () => wrap(target.fork() as Em, cut, counter);
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Runs some work again and again, killed before and after its first statement, its second, and so on, until it gets through, and then once more as if nobody knew.
 * @returns how many times it was killed
 */
export async function killedEverywhere(fork: () => Em, work: (em: Em) => Promise<unknown>): Promise<number> {
  for (let kills = 0, statement = 1; ; statement += 1) {
    for (const when of ['before', 'after'] as const) {
      try {
        await work(cutting(fork(), { statement, when }));
        await work(fork());
        return kills;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        kills += 1;
      }
    }
  }
}
