import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import type { Task } from '../schemas/task.ts';
import type { CommandContext } from './context.ts';
import { stampTask } from './draft-task.ts';
import type { Idempotency } from './item-keys.ts';

/** What is kept of the first answer; times are filled in from the row's own `created_at`. */
export type StoredAnswer = { tasks: Task[] };

/**
 * The first answers to requests with these idempotency keys, exactly as they were given; keys that are free are missing.
 * @throws EngineError invalid_input: a key was used before with another request
 */
export async function replayedTasks(ctx: CommandContext, keys: readonly Idempotency[]): Promise<Map<string, Task[]>> {
  const rows = await storedAnswers(ctx.em, ctx.actor.id, keys);
  const answers = new Map<string, Task[]>();
  for (const { key, request_hash } of keys) {
    const row = rows.get(key);
    if (!row) continue;
    if (row.request_hash !== request_hash) {
      const detail = `"${key}" was used before with a different request`;
      throw new EngineError('invalid_input', `Idempotency-Key: ${detail}`, { errors: [{ pointer: '', detail }] });
    }
    answers.set(
      key,
      row.response.tasks.map((task) => stampTask(task, new Date(row.created_at))),
    );
  }
  return answers;
}

type Row = { key: string; request_hash: string; response: StoredAnswer; created_at: string };

async function storedAnswers(em: Em, userId: number, keys: readonly Idempotency[]): Promise<Map<string, Row>> {
  const rows = await query<Row>(
    em,
    `select key, request_hash, response, created_at from idempotency_keys where user_id = $1 and key = any($2)`,
    [userId, keys.map((k) => k.key)],
  );
  return new Map(rows.map((row) => [row.key, row]));
}
