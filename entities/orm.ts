import { EntityCaseNamingStrategy } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import type { Logger } from '../config/logger.ts';
import { migrations } from '../migrations/index.ts';
import { ResilientDriver } from './driver.ts';
import { entities } from './index.ts';
import { SlowLog } from './slow-log.ts';

export type { MikroORM };

/**
 * `url`: postgresql://…; `pool_max`: connections of this process, 10 unless said otherwise; `application_name`: shown in pg_stat_activity.
 * `slow`: where statements are logged that take at least `over_ms` (0: none).
 */
export type OrmOptions = { url: string; pool_max?: number; application_name?: string; slow?: { over_ms: number; logger: Logger } };

function slowOptions({ slow }: OrmOptions) {
  if (!slow || slow.over_ms === 0) return {};
  return { slowQueryThreshold: slow.over_ms, slowQueryLoggerFactory: () => new SlowLog(slow.logger) };
}

/** Settings shared by the running system, its migrations and its tests. Times travel as UTC; no statement runs longer than 30 s. */
export function ormOptions(options: OrmOptions) {
  return defineConfig({
    driver: ResilientDriver,
    clientUrl: options.url,
    ...slowOptions(options),
    entities: [...entities],
    namingStrategy: EntityCaseNamingStrategy,
    forceUtcTimezone: true,
    preferReadReplicas: false,
    allowGlobalContext: false,
    pool: { min: 1, max: options.pool_max ?? 10, idleTimeoutMillis: 600_000 },
    schemaGenerator: {
      ignoreTriggers: true,
      ignoreRoutines: true,
      skipViews: [/./],
      ignoreSchema: ['monitoring', 'partitions', 'text_search'],
    },
    extensions: [Migrator],
    migrations: {
      migrationsList: migrations,
      tableName: 'schema_migrations',
      transactional: true,
      allOrNothing: true,
      snapshot: false,
      silent: true,
    },
    driverOptions: {
      application_name: options.application_name ?? 'orchestrator',
      statement_timeout: 30_000,
      idle_in_transaction_session_timeout: 30_000,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    },
  });
}

/** Opens the database lazily: the first query connects. Close it with `orm.close()`. */
export async function createOrm(options: OrmOptions): Promise<MikroORM> {
  return await MikroORM.init(ormOptions(options));
}
