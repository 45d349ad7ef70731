import { Migration } from '@mikro-orm/migrations';

/** Environments of tasks' containers as they were stored before they were hidden, and the way from an instance to the source that its output is. */
export class Migration0016Logs extends Migration {
  override up(): void {
    for (const statement of UP) this.addSql(statement);
  }

  override down(): void {
    this.addSql('drop index if exists idx_container_log_source_runid');
  }
}

const UP = [
  `update docker_container c set environment = (select coalesce(jsonb_object_agg(e.key, '***'), '{}') from jsonb_each(c.environment) e)
   where c.runid is not null or coalesce(c.labels->>'orchestrator.runid', '') <> ''`,
  'create index idx_container_log_source_runid on container_log_source (runid) where runid is not null',
];
