import pg from 'pg';
import { createOrm } from '../../entities/orm.ts';
import { type Em, query } from '../../entities/sql.ts';
import type { TestDatabase } from './database.ts';
import { eventually } from './eventually.ts';

/** A transaction that holds locks until it ends. */
export type Blocker = {
  /** Resolves when somebody waits for it. */
  untilWaitedFor(): Promise<void>;
  /** Whether somebody else holds a row of what the statement finds, and how many it found. */
  probe(sql: string): Promise<Held>;
  /** Ends the transaction, once; a second call does nothing. */
  end(how: 'commit' | 'rollback'): Promise<void>;
};

/** `rows`: what the probe found, so that it cannot pass by finding nothing. */
export type Held = { held: boolean; rows: number };

const WAITING = `select count(*)::int4 as n from pg_stat_activity where datname = current_database() and $1 = any(pg_blocking_pids(pid))`;
const LOCK_NOT_AVAILABLE = '55P03';

/** Opens a transaction on a connection of its own and runs a statement that locks something in it. */
export async function openBlocker(db: TestDatabase, sql: string): Promise<Blocker> {
  const client = new pg.Client({ connectionString: db.url, application_name: 'blocker' });
  await client.connect();
  await client.query('begin');
  await client.query(sql);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  let open = true;
  return {
    untilWaitedFor: () => untilWaitedFor(db, rows[0]?.pid ?? 0),
    probe: (statement) => probe(client, statement),
    end: async (how) => {
      if (!open) return;
      open = false;
      await client.query(how);
      await client.end();
    },
  };
}

async function untilWaitedFor(db: TestDatabase, pid: number): Promise<void> {
  await eventually(
    async () => {
      const rows = await query<{ n: number }>(db.em, WAITING, [pid]);
      if ((rows[0]?.n ?? 0) === 0) throw new Error('nobody waits for the lock');
    },
    { timeout_ms: 20_000, interval_ms: 10 },
  );
}

async function probe(client: pg.Client, sql: string): Promise<Held> {
  try {
    return { held: false, rows: (await client.query(sql)).rowCount ?? 0 };
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    return { held: true, rows: 1 };
  }
}

/** `stop`: locks what stops the command; `probe`: locks, without waiting, what it must not hold by then. */
export type Stop = { stop: string; probe: string; command: (em: Em) => Promise<unknown> };

/**
 * Stops a command at one lock and looks whether it holds another one then. Of two rows that commands lock in opposite orders one is held while the
 * other is waited for, so this finds a possible deadlock without two of them having to meet.
 */
export async function heldWhenStopped(db: TestDatabase, { stop, probe, command }: Stop): Promise<Held> {
  const orm = await createOrm({ url: db.url, pool_max: 2, application_name: 'stopped' });
  const blocker = await openBlocker(db, stop);
  try {
    const run = command(orm.em.fork() as Em);
    await Promise.race([blocker.untilWaitedFor(), run.then(() => Promise.reject(new Error('the command was not stopped')))]);
    const held = await blocker.probe(probe);
    await blocker.end('rollback');
    await run;
    return held;
  } finally {
    await blocker.end('rollback');
    await orm.close(true);
  }
}
