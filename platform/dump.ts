import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { EngineError } from '../core/errors.ts';
import { columnsOf, listTables, migrationsOf, replaceRows, selectOf } from './database-tables.ts';
import { openDatabase } from './open-database.ts';

const HEADER = '-- orchestrator dump 1; schema: ';
const COPY = /^COPY "((?:[^"]|"")+)" \(.+\) FROM stdin;$/;

/** The dump's text: rows only, as COPY statements that psql reads too; the schema is what the migrations named in the header make. */
async function* textOf(client: pg.Client): AsyncGenerator<string | Buffer> {
  yield `${HEADER}${(await migrationsOf(client)).join(' ')}\n`;
  for (const table of await listTables(client)) {
    yield `COPY ${columnsOf(table)} FROM stdin;\n`;
    yield* client.query(copyStreams.to(`copy (${selectOf(table)}) to stdout`));
    yield '\\.\n';
  }
}

/**
 * Writes every row of the database, as of one moment, into a gzip file with mode 0600. A dump that was broken off leaves no file.
 * @param file for example `<data folder>/backups/2026-11-21T09-00-00Z.sql.gz`
 */
export async function dumpDatabase(url: string, file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const client = await openDatabase(url, 'orchestrator dump');
  try {
    await client.query('begin isolation level repeatable read read only');
    await pipeline(
      Readable.from(textOf(client), { objectMode: false }),
      createGzip({ level: 1 }),
      createWriteStream(`${file}.part`, { mode: 0o600 }),
    );
    await rename(`${file}.part`, file);
  } finally {
    await client.end();
    await rm(`${file}.part`, { force: true });
  }
}

/** Splits at line feeds only: COPY escapes every other line break inside values. Lines keep their line feed. */
async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(file).pipe(createGunzip())) {
    const data = Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      yield data.subarray(start, end + 1);
      start = end + 1;
    }
    rest = data.subarray(start);
  }
  if (rest.length > 0) yield rest;
}

/** @returns the migrations whose schema the dump fits @throws EngineError invalid_input: not a dump of ours */
export async function schemaOfDump(file: string): Promise<string[]> {
  for await (const line of linesOf(file)) {
    const text = line.toString('utf8').trimEnd();
    if (text.startsWith(HEADER)) return text.slice(HEADER.length).split(' ').filter(Boolean);
    break;
  }
  throw new EngineError('invalid_input', `${file}: expected a dump made by this program, which begins with "${HEADER.trim()}"`);
}

async function* rowsUntilEnd(lines: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    if (next.value.equals(Buffer.from('\\.\n'))) return;
    yield next.value;
  }
  throw new EngineError('invalid_input', 'the dump ends within a table; expected a complete file');
}

/**
 * Replaces all rows of a database, whose schema must be the dump's, by those of the dump; all or nothing.
 * @throws EngineError conflict: other schema; invalid_input: not a complete dump
 */
export async function restoreDump(url: string, file: string): Promise<void> {
  const client = await openDatabase(url, 'orchestrator restore');
  try {
    const [wanted, found] = [await schemaOfDump(file), await migrationsOf(client)];
    if (wanted.join() !== found.join())
      throw new EngineError(
        'conflict',
        `${file}: made with migrations ${wanted.join(', ')}; the database has ${found.join(', ') || 'none'}`,
      );
    const lines = linesOf(file);
    await lines.next();
    await replaceRows(
      client,
      async (table) => {
        const { value } = await lines.next();
        const statement = (value ?? Buffer.alloc(0)).toString('utf8').trimEnd();
        if (COPY.exec(statement)?.[1] !== table.name)
          throw new EngineError('invalid_input', `${file}: expected the rows of ${table.name}, got ${statement.slice(0, 80)}`);
        await pipeline(Readable.from(rowsUntilEnd(lines), { objectMode: false }), client.query(copyStreams.from(statement.slice(0, -1))));
      },
      async () => undefined,
    );
  } finally {
    await client.end();
  }
}
