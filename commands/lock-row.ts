import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';

const KEYS = { queues: 'name', pools: 'name', templates: 'name', workers: 'id', users: 'id', secrets: 'name' } as const;

/** Tables whose rows commands change, with the word for one of them. */
const WORDS: Record<keyof typeof KEYS, string> = {
  queues: 'queue',
  pools: 'pool',
  templates: 'template',
  workers: 'worker',
  users: 'user',
  secrets: 'secret',
};

export const notFound = (table: keyof typeof KEYS, id: string | number): EngineError =>
  new EngineError('not_found', `${WORDS[table]} "${id}": there is none`);

/**
 * Locks a row until the transaction ends. `FOR NO KEY UPDATE` lets submits go on, whose foreign keys refer to the row; `to_delete` shuts
 * them out as well.
 * @throws EngineError not_found
 */
export async function lockRow(em: Em, table: keyof typeof KEYS, id: string | number, toDelete = false): Promise<void> {
  const strength = toDelete ? 'for update' : 'for no key update';
  const rows = await query(em, `select 1 from ${table} where ${KEYS[table]} = $1 ${strength}`, [id]);
  if (rows.length === 0) throw notFound(table, id);
}
