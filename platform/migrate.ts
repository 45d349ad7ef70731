import path from 'node:path';
import { type Config, loadConfig } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { createOrm } from '../entities/orm.ts';
import { migrateDown, migrateUp } from './migrations.ts';
import { runEntry } from './run-entry.ts';
import { withDatabase } from './with-database.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function run(config: Config, url: string, direction: string): Promise<void> {
  const orm = await createOrm({ url, pool_max: 2, application_name: 'orchestrator migrate' });
  try {
    const migrate = direction === 'down' ? migrateDown : migrateUp;
    const { names, dump } = await migrate(orm, { dumpTo: path.join(config.DATA_DIR, 'backups') });
    if (dump) say(`dumped to ${dump}`);
    say(names.length > 0 ? `migrated ${direction}: ${names.join(', ')}` : 'nothing to migrate');
  } finally {
    await orm.close();
  }
}

/** `npm run migrate [-- up | down]`: all pending migrations, or the latest one back; after a dump of a database that holds data. */
async function main(): Promise<void> {
  const [direction = 'up'] = process.argv.slice(2);
  if (direction !== 'up' && direction !== 'down') throw new EngineError('invalid_input', `direction "${direction}": expected up or down`);
  const config = loadConfig();
  await withDatabase({ config, purpose: 'npm run migrate', report: say }, (url) => run(config, url, direction));
}

await runEntry(main);
