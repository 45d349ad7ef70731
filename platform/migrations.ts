import path from 'node:path';
import type pg from 'pg';
import type { MikroORM } from '../entities/orm.ts';
import { holdsData } from './database-tables.ts';
import { dumpDatabase } from './dump.ts';
import { openDatabase } from './open-database.ts';

/** What a run did: names of migrations, oldest first, and the dump's file where one was made. */
export type MigrationReport = { names: string[]; dump: string | null };

/** One runner at a time, in this database; any number that nobody else uses. */
const LOCK = 7_233_543_301;

const urlOf = (orm: MikroORM): string => String(orm.config.get('clientUrl'));
const fileNameNow = (): string => `${new Date().toISOString().replaceAll(':', '-').replace(/\.\d+/, '')}.sql.gz`;

/** Runs `work` while this session holds the lock of the migrations; others wait. */
async function exclusively<T>(orm: MikroORM, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await openDatabase(urlOf(orm), 'orchestrator migrations');
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Brings the schema up to date. A database that holds data is dumped into the folder `dumpTo` before; null makes no dump.
 * All pending migrations are one transaction: on failure the schema is as before.
 */
export async function migrateUp(orm: MikroORM, { dumpTo }: { dumpTo: string | null }): Promise<MigrationReport> {
  return await exclusively(orm, async (client) => {
    if ((await orm.migrator.getPending()).length === 0) return { names: [], dump: null };
    const dump = dumpTo !== null && (await holdsData(client)) ? path.join(dumpTo, fileNameNow()) : null;
    if (dump) await dumpDatabase(urlOf(orm), dump);
    const done = await orm.migrator.up();
    return { names: done.map((m) => m.name), dump };
  });
}

/** Takes back the latest migration, or all when `to` is 0; a database that holds data is dumped before, as by `migrateUp`. */
export async function migrateDown(orm: MikroORM, { dumpTo, to }: { dumpTo: string | null; to?: 0 }): Promise<MigrationReport> {
  return await exclusively(orm, async (client) => {
    const dump = dumpTo !== null && (await holdsData(client)) ? path.join(dumpTo, fileNameNow()) : null;
    if (dump) await dumpDatabase(urlOf(orm), dump);
    const done = await orm.migrator.down(to === 0 ? { to: 0 } : undefined);
    return { names: done.map((m) => m.name), dump };
  });
}

/** Moves the schema to exactly the migration of this name, up or down; null for none at all. Makes no dump. */
export async function migrateTo(orm: MikroORM, name: string | null): Promise<void> {
  await exclusively(orm, async () => {
    const executed = await orm.migrator.getExecuted();
    if (name === null) await orm.migrator.down({ to: 0 });
    else if (executed.some((row) => row.name === name))
      await downAfter(
        orm,
        executed.map((row) => row.name),
        name,
      );
    else await orm.migrator.up({ to: name });
  });
}

/** Takes back what was run after `name`, latest first. */
async function downAfter(orm: MikroORM, executed: string[], name: string): Promise<void> {
  const later = executed.slice(executed.indexOf(name) + 1).toReversed();
  if (later.length > 0) await orm.migrator.down({ migrations: later });
}
