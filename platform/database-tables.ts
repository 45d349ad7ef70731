import type { ClientBase } from 'pg';
import { EngineError } from '../core/errors.ts';

/** A table to copy: `columns` without generated ones; `sequences` name the counters behind its columns. */
export type Table = { name: string; columns: string[]; sequences: { column: string; sequence: string }[]; refers_to: string[] };

/** The migrations' own ledger; it describes the schema, not the data. */
export const LEDGER = 'schema_migrations';

const TABLES = `
  select c.relname as name,
    array(select a.attname::text from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
    array(select f.relname::text from pg_constraint k join pg_class f on f.oid = k.confrelid
          where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as refers_to,
    coalesce((select jsonb_agg(jsonb_build_object('column', a.attname, 'sequence', pg_get_serial_sequence(quote_ident(c.relname), a.attname)))
              from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              and pg_get_serial_sequence(quote_ident(c.relname), a.attname) is not null), '[]') as sequences
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = current_schema() and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> $1
  order by c.relname`;

/** Orders tables so that what is referred to comes first. @throws EngineError internal: a cycle of references */
export function inReferenceOrder(tables: readonly Table[]): Table[] {
  const ordered: Table[] = [];
  const waiting = new Map(tables.map((table) => [table.name, table]));
  while (waiting.size > 0) {
    const ready = [...waiting.values()].filter((table) => !table.refers_to.some((name) => waiting.has(name)));
    if (ready.length === 0)
      throw new EngineError('internal', `tables ${[...waiting.keys()].join(', ')} refer to each other; expected no cycle`);
    for (const table of ready) waiting.delete(table.name);
    ordered.push(...ready);
  }
  return ordered;
}

/** Every table of the schema that holds data of ours, what is referred to first; partitions count as their parent. */
export async function listTables(client: ClientBase): Promise<Table[]> {
  const { rows } = await client.query<Table>(TABLES, [LEDGER]);
  return inReferenceOrder(rows);
}

/** A name as SQL wants it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** `"tasks" ("uuid", "name", …)`, for COPY in both directions. */
export const columnsOf = (table: Table): string => `${quoted(table.name)} (${table.columns.map(quoted).join(', ')})`;

/** `select "uuid", "name", … from "tasks"`: reads partitions too, which COPY of a table by name does not. */
export const selectOf = (table: Table): string => `select ${table.columns.map(quoted).join(', ')} from ${quoted(table.name)}`;

/** Whether any table has a row. */
export async function holdsData(client: ClientBase): Promise<boolean> {
  for (const table of await listTables(client)) {
    const { rowCount } = await client.query(`select 1 from ${quoted(table.name)} limit 1`);
    if (rowCount) return true;
  }
  return false;
}

/** Names of the migrations that were run, oldest first; none when the ledger does not exist. */
export async function migrationsOf(client: ClientBase): Promise<string[]> {
  const { rows: found } = await client.query('select to_regclass($1) is not null as yes', [LEDGER]);
  if (!found[0]?.yes) return [];
  const { rows } = await client.query<{ name: string }>(`select name from ${LEDGER} order by id`);
  return rows.map((row) => row.name);
}

/** Moves each counter behind the highest value in use. */
export async function setSequences(client: ClientBase, tables: readonly Table[]): Promise<void> {
  for (const table of tables) {
    for (const { column, sequence } of table.sequences) {
      await client.query(
        `select setval($1::regclass, coalesce((select max(${quoted(column)}) from ${quoted(table.name)}), 0) + 1, false)`,
        [sequence],
      );
    }
  }
}

/**
 * Replaces all rows of all tables in one transaction: `fill` brings each table's rows, `check` may refuse the result before it is committed.
 * Guards are off meanwhile, as rows arrive in states that no single change leads to; references are checked as always.
 */
export async function replaceRows(
  client: ClientBase,
  fill: (table: Table) => Promise<void>,
  check: (tables: Table[]) => Promise<void>,
): Promise<void> {
  const tables = await listTables(client);
  await client.query('begin');
  try {
    for (const { name } of tables) await client.query(`alter table ${quoted(name)} disable trigger user`);
    await client.query(`truncate ${tables.map((table) => quoted(table.name)).join(', ')}`);
    for (const table of tables) await fill(table);
    await setSequences(client, tables);
    await check(tables);
    for (const { name } of tables) await client.query(`alter table ${quoted(name)} enable trigger user`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
