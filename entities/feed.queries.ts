import { type Listing, where } from './page.ts';
import { type Em, query, queryOnce } from './sql.ts';

/** `after`: the last number that was seen; `limit`: a whole number. */
export type Follow = { after: number; limit: number };

/** The last number given out in a stream: who starts after it sees only what is new. */
export async function lastSeq(em: Em, feed: string): Promise<number> {
  const [row] = await query<{ seq: number }>(em, 'select last_seq::float8 as seq from feeds where name = $1', [feed]);
  return row?.seq ?? 0;
}

/** `seq`: the column with the number that the stream gave a row. */
export type FeedListing = Pick<Listing, 'columns' | 'from' | 'conditions'> & { seq: string };

/** Rows that are new or have changed since a follower of the stream looked, in the order of the stream, as they are now. */
export async function readFeed<T>(em: Em, { columns, from, conditions, seq }: FeedListing, { after, limit }: Follow): Promise<T[]> {
  where(conditions, `${seq} > ?`, after);
  const sql = `select ${columns} from ${from} where ${conditions.clauses.join(' and ')} order by ${seq} limit ${limit}`;
  return await queryOnce<T>(em, sql, conditions.values);
}
