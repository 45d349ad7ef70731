import { loadConfig } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { createOrm } from '../entities/orm.ts';
import { restoreDump, schemaOfDump } from './dump.ts';
import { migrateTo } from './migrations.ts';
import { runEntry } from './run-entry.ts';
import { withDatabase } from './with-database.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function restore(url: string, file: string): Promise<void> {
  const wanted = await schemaOfDump(file);
  const orm = await createOrm({ url, pool_max: 2, application_name: 'orchestrator restore' });
  try {
    await migrateTo(orm, wanted.at(-1) ?? null);
  } finally {
    await orm.close();
  }
  await restoreDump(url, file);
  say(`restored ${file}; "npm run migrate" brings its schema up to date`);
}

/** `npm run restore-dump -- <file>`: puts the database back to what a dump holds, its schema included. Everything in it now is replaced. */
async function main(): Promise<void> {
  const [file] = process.argv.slice(2);
  if (!file) throw new EngineError('invalid_input', 'usage: npm run restore-dump -- <data folder>/backups/<time>.sql.gz');
  await withDatabase({ config: loadConfig(), purpose: 'npm run restore-dump', report: say }, (url) => restore(url, file));
}

await runEntry(main);
