import { EngineError } from '../core/errors.ts';
import { type Em, queryOnce } from './sql.ts';

/** One page of a list; `next_cursor` null: there is no more. */
export type Page<T> = { items: T[]; next_cursor: string | null };

/** What a caller says about a page: at most `limit` items after `cursor` (null: from the start). */
export type PageRequest = { limit: number; cursor: string | null };

/** Clauses joined by AND, with their parameters numbered as they come. */
export type Conditions = { clauses: string[]; values: unknown[] };

export const conditions = (): Conditions => ({ clauses: [], values: [] });

/** Adds a clause whose `?` becomes the number of its value. Without a value (undefined, null) the filter is absent and nothing is added. */
export function where(list: Conditions, clause: string, value: unknown): void {
  if (value === undefined || value === null) return;
  list.values.push(value);
  list.clauses.push(clause.replaceAll('?', `$${list.values.length}`));
}

type KeyKind = 'time' | 'uuid' | 'integer' | 'text';

/** One column of the order. All of them together are unique and compared as one row value. */
export type Key = { column: string; kind: KeyKind };

/**
 * A list in keyset order. `sort` names the order inside the cursor, so that a cursor of another order is refused; with `-` in front the keys go
 * downwards.
 */
export type Listing = { columns: string; from: string; conditions: Conditions; sort: string; keys: readonly Key[] };

const descends = ({ sort }: Listing): boolean => sort.startsWith('-');

/** How a key travels in a cursor: what it looks like, how it is read, how it is compared. Forms admit only what PostgreSQL can cast. */
const KINDS: Record<KeyKind, { form: RegExp; read: (column: string) => string; bind: (placeholder: string) => string }> = {
  time: {
    form: /^\d{1,14}$/,
    read: (column) => `(extract(epoch from ${column}) * 1000)::int8::text`,
    bind: (placeholder) => `to_timestamp(${placeholder}::text::float8 / 1000)`,
  },
  uuid: { form: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, read: (c) => `${c}::text`, bind: (p) => `${p}::text::uuid` },
  integer: { form: /^\d{1,15}$/, read: (c) => `${c}::text`, bind: (p) => `${p}::text::int8` },
  text: { form: /^[^\0]{0,300}$/su, read: (c) => c, bind: (p) => `${p}::text` },
};

type Cursor = { s?: unknown; k?: unknown };

const encodeCursor = (sort: string, keys: string[]): string => Buffer.from(JSON.stringify({ s: sort, k: keys })).toString('base64url');

function badCursor(why: string): EngineError {
  const errors = [{ pointer: '/query/cursor', detail: `${why}; send next_cursor of the page before` }];
  return new EngineError('invalid_input', `cursor: ${why}`, { errors });
}

function parseCursor(text: string): Cursor {
  try {
    return (JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) ?? {}) as Cursor;
  } catch {
    throw badCursor('is not one of ours');
  }
}

function decodeCursor(text: string, listing: Listing): string[] {
  const { s, k } = parseCursor(text);
  const keys: unknown[] = Array.isArray(k) ? k : [];
  const fits = listing.keys.every(({ kind }, i) => {
    const key = keys[i];
    return typeof key === 'string' && key.isWellFormed() && KINDS[kind].form.test(key);
  });
  if (s !== listing.sort) throw badCursor(`belongs to another order than ${JSON.stringify(listing.sort)}`);
  if (!fits || keys.length !== listing.keys.length) throw badCursor('is not one of ours');
  return keys as string[];
}

/** The condition that goes on after a cursor; its keys are the next parameters. */
function seek(listing: Listing, values: unknown[], cursor: string): string {
  const bound = decodeCursor(cursor, listing).map((key, i) => KINDS[listing.keys[i]?.kind ?? 'text'].bind(`$${values.push(key)}`));
  return `(${listing.keys.map((key) => key.column).join(', ')}) ${descends(listing) ? '<' : '>'} (${bound.join(', ')})`;
}

/**
 * Runs one statement and cuts it into a page. Rows inserted meanwhile neither repeat nor hide others, since each page goes on from a value.
 * @throws EngineError invalid_input: a cursor that is not ours or belongs to another order
 */
export async function readPage<T extends object>(em: Em, listing: Listing, page: PageRequest): Promise<Page<T>> {
  const values = [...listing.conditions.values];
  const clauses = [...listing.conditions.clauses];
  if (page.cursor !== null) clauses.push(seek(listing, values, page.cursor));
  values.push(page.limit + 1);
  const position = listing.keys.map(({ column, kind }) => KINDS[kind].read(column)).join(', ');
  const order = listing.keys.map(({ column }) => `${column} ${descends(listing) ? 'desc' : 'asc'}`).join(', ');
  const sql = `select ${listing.columns}, array[${position}] as page_position from ${listing.from}
    ${clauses.length > 0 ? `where ${clauses.join(' and ')}` : ''} order by ${order} limit $${values.length}`;
  const rows = await queryOnce<T & { page_position: string[] }>(em, sql, values);
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  const items = rows.slice(0, page.limit).map(({ page_position: _, ...item }) => item as unknown as T);
  return { items, next_cursor: last ? encodeCursor(listing.sort, last.page_position) : null };
}
