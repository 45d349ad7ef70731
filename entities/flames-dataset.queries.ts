import type { FlamesDataset, FlamesPrompt } from '../schemas/flames.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTimes } from './wire.ts';

const COLUMNS = `d.id, d.name, d.version, u.username as user, d.shared, d.format, d.mapping, d.sha256, d.content_hash, d.prompts, d.groups, ${wireTimes('d')}`;
const FROM = 'flames_dataset d join users u on u.id = d.user_id';

/** One dataset; null when there is none, or it is somebody else's and not shared. */
export async function findDataset(em: Em, id: number, { user_id }: Scope): Promise<FlamesDataset | null> {
  const sql = `select ${COLUMNS} from ${FROM} where d.id = $1 and ($2::int8 is null or d.user_id = $2 or d.shared)`;
  return (await query<FlamesDataset>(em, sql, [id, user_id]))[0] ?? null;
}

/** Datasets that the caller may use, newest first. */
export async function listDatasets(em: Em, filter: Scope & { name?: string }, page: PageRequest): Promise<Page<FlamesDataset>> {
  const list = conditions();
  where(list, '(d.user_id = ? or d.shared)', filter.user_id);
  where(list, 'd.name = ?', filter.name);
  const keys: Key[] = [{ column: 'd.id', kind: 'integer' }];
  return await readPage(em, { columns: COLUMNS, from: FROM, conditions: list, sort: '-id', keys }, page);
}

/** The prompts of a dataset in their order. */
export async function listPrompts(
  em: Em,
  filter: { dataset_id: number; dimension?: string },
  page: PageRequest,
): Promise<Page<FlamesPrompt>> {
  const list = conditions();
  where(list, 'p.dataset_id = ?', filter.dataset_id);
  where(list, 'p.dimension = ?', filter.dimension);
  const columns = 'p.seq, p.dimension, p.subcomponent, p.prompt, p.reference';
  const keys: Key[] = [{ column: 'p.seq', kind: 'integer' }];
  return await readPage(em, { columns, from: 'flames_prompt p', conditions: list, sort: 'seq', keys }, page);
}

/** Prompts behind a place, for those who work through them. */
export async function readPrompts(
  em: Em,
  { dataset_id, after, limit }: { dataset_id: number; after: number; limit: number },
): Promise<FlamesPrompt[]> {
  return await query<FlamesPrompt>(
    em,
    'select seq, dimension, subcomponent, prompt, reference from flames_prompt where dataset_id = $1 and seq > $2 order by seq limit $3',
    [dataset_id, after, limit],
  );
}
