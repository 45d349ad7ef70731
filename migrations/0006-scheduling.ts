import { Migration } from '@mikro-orm/migrations';
import { LOCKS, LOCKS_DOWN } from './0006-locks.ts';

/** One order of locks, token buckets, shares of users, deadlines. Functions and triggers are beside it. */
export class Migration0006Scheduling extends Migration {
  override up(): void {
    for (const statement of [...LOCKS]) this.addSql(statement);
  }

  override down(): void {
    for (const statement of [...LOCKS_DOWN]) this.addSql(statement);
  }
}
