import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { TestDatabase } from './database.ts';

/** What some work cost: statements (begin and commit not counted) and rows that scans of tables and indexes visited. */
export type Cost<T> = { result: T; statements: number; rows: number };

const VISITED = `select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::float8 as n from pg_stat_xact_user_tables`;

/** Runs the work in one transaction of a connection of its own and counts: a measure that does not depend on how busy the machine is. */
export async function statementsOf<T>(db: TestDatabase, work: (em: Em) => Promise<T>): Promise<Cost<T>> {
  // As autovacuum does: without figures the planner takes a table that was just filled for a small one, and reads it whole.
  await query(db.em as Em, 'analyze tasks');
  const orm = await createOrm({ url: db.url, pool_max: 1, application_name: 'statements' });
  try {
    return await orm.em.fork().transactional(async (tx) => {
      const { em, count } = counting(tx as Em);
      const before = await query<{ n: number }>(tx as Em, VISITED);
      const result = await work(em);
      const after = await query<{ n: number }>(tx as Em, VISITED);
      return { result, statements: count(), rows: (after[0]?.n ?? 0) - (before[0]?.n ?? 0) };
    });
  } finally {
    await orm.close(true);
  }
}

/** Hot statements come with a name under which they are prepared; see entities/sql.ts. */
type Statement = { sql: string | { name: string; text: string } };

/** A changed statement loses its name: under that name the connection knows the unchanged one. */
function rewritten(sql: Statement['sql'], rewrite: (sql: string) => string): Statement['sql'] {
  const text = typeof sql === 'string' ? sql : sql.text;
  const changed = rewrite(text);
  return changed === text ? sql : changed;
}

/** An entity manager that passes each statement through `rewrite` on its way, also inside its transactions. */
export function rewriting(em: Em, rewrite: (sql: string) => string): Em {
  const kysely = () =>
    new Proxy(em.getKysely(), {
      get(target, name) {
        if (name !== 'executeQuery') return Reflect.get(target, name, target);
        return (statement: Statement) => target.executeQuery({ ...statement, sql: rewritten(statement.sql, rewrite) } as never);
      },
    });
  const transactional = (work: (tx: Em) => Promise<unknown>, options?: object) =>
    em.transactional((tx) => work(rewriting(tx as Em, rewrite)), options as never);
  return new Proxy(em, {
    get(target, name) {
      if (name === 'getKysely') return kysely;
      if (name === 'transactional') return transactional;
      if (name === 'fork') return () => rewriting(target.fork() as Em, rewrite);
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function counting(em: Em): { em: Em; count: () => number } {
  let n = 0;
  const seen = rewriting(em, (sql) => {
    n += 1;
    return sql;
  });
  return { em: seen, count: () => n };
}
