import { Migration } from '@mikro-orm/migrations';

/** Operations on images: one row per task, ended with the task whoever ends it. */
export class Migration0011Images extends Migration {
  override up(): void {
    for (const statement of UP) this.addSql(statement);
  }

  override down(): void {
    this.addSql('drop trigger if exists end_image_operation on tasks');
    this.addSql('drop function if exists end_image_operation()');
  }
}

/**
 * A row of an operation that nobody ended (its worker died and its task was cancelled, or ran out of tries) ends with its task, in the same transaction. Only tasks of
 * the engine `image` fire it.
 */
const UP = [
  `create function end_image_operation() returns trigger language plpgsql as $$
begin
  update docker_image_log set status = case when new.status = 'completed' then 'succeeded' else 'failed' end, ended_at = clock_timestamp(),
    error_code = case when new.status = 'completed' then null else coalesce(new.error->>'code', new.status) end,
    message = coalesce(new.error->>'message', new.status_reason, new.status)
  where task_id = new.uuid and status = 'started';
  return null;
end $$`,
  `create trigger end_image_operation after update of status on tasks for each row
   when (new.type = 'image' and new.status in ('completed', 'failed', 'cancelled') and old.status is distinct from new.status)
   execute function end_image_operation()`,
];
