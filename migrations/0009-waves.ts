import { Migration } from '@mikro-orm/migrations';

/** Which tasks may share a workflow: what a template says, and what each task was submitted with. */
export class Migration0009Waves extends Migration {
  override up(): void {
    this.addSql(`alter table "template_versions" add "batchable" boolean null`);
    this.addSql(`alter table "tasks" add "batchable" boolean not null default false`);
  }

  override down(): void {
    this.addSql(`alter table "tasks" drop column "batchable"`);
    this.addSql(`alter table "template_versions" drop column "batchable"`);
  }
}
