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

const STRENGTHS = { change: 'for no key update', delete: 'for update' } as const;

/**
 * Locks a row until the transaction ends. To change it, `FOR NO KEY UPDATE` lets submits go on, whose foreign keys refer to the row;
 * to delete it they are shut out as well.
 * @throws EngineError not_found
 */
async function lock(em: Em, row: { table: keyof typeof KEYS; id: string | number }, purpose: keyof typeof STRENGTHS): Promise<void> {
  const rows = await query(em, `select 1 from ${row.table} where ${KEYS[row.table]} = $1 ${STRENGTHS[purpose]}`, [row.id]);
  if (rows.length === 0) throw notFound(row.table, row.id);
}

export const lockRow = async (em: Em, table: keyof typeof KEYS, id: string | number): Promise<void> =>
  await lock(em, { table, id }, 'change');

export const lockRowToDelete = async (em: Em, table: keyof typeof KEYS, id: string | number): Promise<void> =>
  await lock(em, { table, id }, 'delete');
