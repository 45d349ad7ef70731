import { pino } from 'pino';
import { loadConfig } from '../../config/env.ts';
import { Housekeeper } from '../../dispatcher/housekeeper.ts';
import { createOrm } from '../../entities/orm.ts';
import type { Em } from '../../entities/sql.ts';

/** A process that does nothing but housekeeping on the database given, until it is killed. */
const [database_url = ''] = process.argv.slice(2);
const orm = await createOrm({ url: database_url, pool_max: 2, application_name: 'housekeeping worker' });
const logger = pino({ level: 'silent' });
const keeper = new Housekeeper({ fork: () => orm.em.fork() as Em, database_url, config: loadConfig({ RETENTION_AT: 'off' }), logger });
for (;;) await keeper.tick();
