import { type Configuration, PostgreSqlConnection, PostgreSqlDriver } from '@mikro-orm/postgresql';
import type { Driver } from 'kysely';

/**
 * Gives connections back to their pool when they die at the beginning or the end of a transaction. Kysely releases the connection of a transaction only
 * after its COMMIT or ROLLBACK has succeeded, and never when BEGIN fails: each restart of the database would cost a process as many places of its
 * pool as it had transactions under way, until none is left. A ROLLBACK fails only where the connection is gone, and then the server has rolled
 * back; the pool throws such a connection away by itself.
 */
function givingBack(driver: Driver): Driver {
  const begin = driver.beginTransaction.bind(driver);
  const rollback = driver.rollbackTransaction.bind(driver);
  driver.beginTransaction = async (connection, settings) => {
    try {
      await begin(connection, settings);
    } catch (cause) {
      await driver.releaseConnection(connection);
      throw cause;
    }
  };
  driver.rollbackTransaction = async (connection) => await rollback(connection).catch(() => undefined);
  return driver;
}

class Connection extends PostgreSqlConnection {
  override createKyselyDialect(overrides: Parameters<PostgreSqlConnection['createKyselyDialect']>[0]) {
    const dialect = super.createKyselyDialect(overrides);
    const createDriver = dialect.createDriver.bind(dialect);
    dialect.createDriver = () => givingBack(createDriver());
    return dialect;
  }
}

/** MikroORM's driver for PostgreSQL, on connections that survive restarts of the database. */
export class ResilientDriver extends PostgreSqlDriver {
  protected override readonly connection: Connection;
  protected override readonly replicas: Connection[];

  constructor(config: Configuration) {
    super(config);
    this.connection = new Connection(this.config);
    this.replicas = this.createReplicas((options) => new Connection(this.config, options, 'read'));
  }
}
