import { Migration } from '@mikro-orm/migrations';

/** Per cent of a page that inserts fill: the rest is for the versions that follow, a task's three, an instance's two, a grant's one. */
const FILL: Record<string, number> = { tasks: 35, instances: 40, grants: 50 };

/** Documents that nothing is sought or joined by. */
const UNSEEN: Record<string, readonly string[]> = {
  tasks: ['parameters', 'retry_policy', 'result', 'error'],
  instances: ['tags', 'result', 'error', 'logs'],
  audit_log: ['before', 'after'],
};

const alter = (clauses: Record<string, readonly string[]>): string[] =>
  Object.entries(clauses).flatMap(([table, changes]) => changes.map((change) => `alter table ${table} ${change}`));
const columns = (clause: string): Record<string, string[]> =>
  Object.fromEntries(Object.entries(UNSEEN).map(([table, names]) => [table, names.map((name) => `alter column "${name}" ${clause}`)]));

/**
 * Rows that change several times within a second find room for that on their own page, and ANALYZE leaves documents alone whose statistics no plan uses:
 * docs/adr/0039-room-for-updates.md.
 */
export class Migration0019RoomForUpdates extends Migration {
  override up(): void {
    for (const [table, fill] of Object.entries(FILL)) this.addSql(`alter table ${table} set (fillfactor = ${fill})`);
    for (const statement of alter(columns('set statistics 0'))) this.addSql(statement);
  }

  override down(): void {
    for (const table of Object.keys(FILL)) this.addSql(`alter table ${table} reset (fillfactor)`);
    for (const statement of alter(columns('set statistics -1'))) this.addSql(statement);
  }
}
