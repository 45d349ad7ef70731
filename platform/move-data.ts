import { parseArgs } from 'node:util';
import { loadConfig } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { createOrm } from '../entities/orm.ts';
import { copyDatabase } from './copy-database.ts';
import { migrateUp } from './migrations.ts';
import { runEntry } from './run-entry.ts';
import { withEmbedded } from './with-database.ts';

const USAGE =
  'usage: npm run move-data -- <DATABASE_URL> [--replace]   (embedded → external), or: npm run move-data -- --from <DATABASE_URL> [--replace]   (external → embedded)';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function migrate(url: string): Promise<void> {
  const orm = await createOrm({ url, pool_max: 2, application_name: 'orchestrator move-data' });
  await migrateUp(orm, { dumpTo: null }).finally(() => orm.close());
}

async function move(source: string, target: string, replace: boolean): Promise<void> {
  await migrate(target);
  const tables = await copyDatabase(source, target, { replace });
  for (const { table, rows, source_sum, target_sum } of tables)
    say(`${table.padEnd(24)} ${String(rows).padStart(10)} rows  ${source_sum} = ${target_sum}`);
  say(
    `moved ${tables.reduce((sum, t) => sum + t.rows, 0)} rows of ${tables.length} tables; counts and checksums are equal, the source is unchanged`,
  );
}

function parse(): { external: string; back: boolean; replace: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { from: { type: 'string' }, replace: { type: 'boolean', default: false } },
  });
  const external = values.from ?? positionals[0];
  if (!external || !URL.canParse(external) || (values.from && positionals.length > 0) || positionals.length > 1)
    throw new EngineError('invalid_input', USAGE);
  return { external, back: values.from !== undefined, replace: values.replace };
}

/** Moves everything between the embedded server, started for the purpose, and an external one. */
async function main(): Promise<void> {
  const { external, back, replace } = parse();
  const occasion = { config: loadConfig(), purpose: 'npm run move-data', report: say };
  await withEmbedded(occasion, (embedded) => (back ? move(external, embedded, replace) : move(embedded, external, replace)));
  say(back ? 'start without DATABASE_URL to use it' : 'set DATABASE_URL to that address to use it');
}

await runEntry(main);
