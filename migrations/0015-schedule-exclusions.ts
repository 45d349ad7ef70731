import { Migration } from '@mikro-orm/migrations';

/** Days that schedules leave out, and the order in which the first tasks of a queue are found, whatever they need. */
export class Migration0015ScheduleExclusions extends Migration {
  override up(): void {
    this.addSql(`alter table "schedules" add "exclude" jsonb not null default '[]'`);
    for (const statement of [...WAITING('cpu, memory_mb, '), LINE]) this.addSql(statement);
  }

  override down(): void {
    this.addSql(`drop index if exists idx_tasks_line`);
    for (const statement of WAITING('')) this.addSql(statement);
    this.addSql(`alter table "schedules" drop column "exclude"`);
  }
}

/** Waiting tasks by what they need, so that one look tells whether any of them is small enough. */
const WAITING = (before_need: string): string[] => [
  `drop index if exists idx_tasks_waiting`,
  `create index idx_tasks_waiting on tasks (queue, parked, throttled, ${before_need}need, vtime, uuid) where status = 'queued'`,
];

const LINE = `create index idx_tasks_line on tasks (queue, vtime, uuid) where status = 'queued' and not parked and not throttled`;
