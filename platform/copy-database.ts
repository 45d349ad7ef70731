import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { EngineError } from '../core/errors.ts';
import { columnsOf, listTables, migrationsOf, quoted, replaceRows, selectOf, type Table } from './database-tables.ts';
import { openDatabase } from './open-database.ts';

/** Rows and checksum of one table on both sides; the checksum does not depend on the rows' order. */
export type CopiedTable = { table: string; rows: number; source_sum: string; target_sum: string };

type Sides = { source: pg.Client; target: pg.Client };
type Sum = { rows: number; sum: string };

/** Values must print alike on both sides whatever the servers' settings. */
const PLAIN =
  "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1";

async function open(url: string): Promise<pg.Client> {
  const client = await openDatabase(url, 'orchestrator move-data');
  await client.query(PLAIN);
  return client;
}

async function sumOf(client: pg.Client, table: Table): Promise<Sum> {
  const row = `md5(row(${table.columns.map((column) => `t.${quoted(column)}`).join(', ')})::text)`;
  const part = (from: number) => `coalesce(sum(('x' || substr(${row}, ${from}, 15))::bit(60)::bigint::numeric), 0)`;
  const { rows } = await client.query<Sum>(
    `select count(*)::float8 as rows, ${part(1)} || '.' || ${part(17)} as sum from ${quoted(table.name)} t`,
  );
  return rows[0] ?? { rows: 0, sum: '' };
}

const OTHERS = `select distinct coalesce(nullif(application_name, ''), 'unnamed') as name from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`;
const GOODBYE_MS = 2000;

/** Somebody who writes meanwhile would make the copy worthless; sessions that are just ending are waited for. @throws EngineError conflict: names the applications */
async function refuseInUse(client: pg.Client, side: string): Promise<void> {
  for (const until = Date.now() + GOODBYE_MS; ; await sleep(50)) {
    const { rows } = await client.query<{ name: string }>(OTHERS);
    if (rows.length === 0) return;
    if (Date.now() < until) continue;
    const names = rows.map((row) => row.name).join(', ');
    throw new EngineError(
      'conflict',
      `the ${side} database is in use by ${names}; expected nobody: stop the engine and close other sessions`,
    );
  }
}

async function refuseOtherSchema({ source, target }: Sides): Promise<void> {
  const [from, to] = [await migrationsOf(source), await migrationsOf(target)];
  if (from.length > 0 && from.join() === to.join()) return;
  throw new EngineError(
    'conflict',
    `the source's schema is ${from.join(', ') || 'empty'}, the target's ${to.join(', ') || 'empty'}; expected the same: run "npm run migrate" against the source`,
  );
}

/** @throws EngineError conflict: the target holds tasks and `replace` was not asked for */
async function refuseToOverwrite(target: pg.Client): Promise<void> {
  const { rowCount } = await target.query('select 1 from tasks limit 1');
  if (rowCount) throw new EngineError('conflict', 'the target holds tasks; expected none: use --replace to lose what is there');
}

async function copyTable({ source, target }: Sides, table: Table): Promise<void> {
  const from = source.query(copyStreams.to(`copy (${selectOf(table)}) to stdout`));
  await pipeline(from, target.query(copyStreams.from(`copy ${columnsOf(table)} from stdin`)));
}

async function compare({ source, target }: Sides, tables: Table[]): Promise<CopiedTable[]> {
  const result: CopiedTable[] = [];
  for (const table of tables) {
    const [from, to] = [await sumOf(source, table), await sumOf(target, table)];
    if (from.rows !== to.rows || from.sum !== to.sum) {
      throw new EngineError(
        'internal',
        `table ${table.name}: ${from.rows} rows (${from.sum}) in the source, ${to.rows} (${to.sum}) in the target; expected the same; nothing was changed`,
      );
    }
    result.push({ table: table.name, rows: from.rows, source_sum: from.sum, target_sum: to.sum });
  }
  return result;
}

/**
 * Copies all rows, as of one moment, into a database of the same schema, in one transaction; counters go on behind the last values. Row counts
 * and checksums are compared before anything is committed; the source is only read.
 * @throws EngineError conflict: in use, other schema, or tasks in the target; internal: a difference
 */
export async function copyDatabase(source_url: string, target_url: string, { replace = false } = {}): Promise<CopiedTable[]> {
  const source = await open(source_url);
  const target = await open(target_url).catch(async (error) => {
    await source.end();
    throw error;
  });
  try {
    await refuseInUse(source, 'source');
    await refuseInUse(target, 'target');
    await refuseOtherSchema({ source, target });
    if (!replace) await refuseToOverwrite(target);
    await source.query('begin isolation level repeatable read read only');
    const expected = (await listTables(source)).map((table) => table.name).join();
    let copied: CopiedTable[] = [];
    await replaceRows(
      target,
      (table) => copyTable({ source, target }, table),
      async (tables) => {
        if (tables.map((table) => table.name).join() !== expected)
          throw new EngineError('conflict', 'source and target have different tables; expected the same');
        copied = await compare({ source, target }, tables);
      },
    );
    return copied;
  } finally {
    await Promise.all([source.end(), target.end()]);
  }
}
