import { type Em, query } from '../entities/sql.ts';

const FEEDS = ['breaches', 'notifications'] as const;
export type FeedName = (typeof FEEDS)[number];

/**
 * Numbers what was added or changed in the tables that are streamed. The feed's row is held until the commit, so that numbers become visible in
 * their order: a reader who has seen one misses nothing below it. Whoever finds the row taken leaves it to the other.
 * @returns how many rows were numbered
 */
export async function publishFeeds(em: Em): Promise<number> {
  let published = 0;
  for (const feed of FEEDS) published += await publish(em, feed);
  return published;
}

async function publish(em: Em, feed: FeedName): Promise<number> {
  const waiting = await query(em, WAITING[feed]);
  if (waiting.length === 0) return 0;
  return await em.transactional(async (tx) => {
    const held = await query(tx as Em, 'select 1 from feeds where name = $1 for no key update skip locked', [feed]);
    return held.length === 0 ? 0 : (await query(tx as Em, PUBLISH[feed], [feed, MOST])).length;
  });
}

const MOST = 1_000;

const byFeed = (sql: (table: FeedName) => string): Record<FeedName, string> =>
  Object.fromEntries(FEEDS.map((feed) => [feed, sql(feed)])) as Record<FeedName, string>;

const WAITING = byFeed((table) => `select 1 from ${table} where seq is null limit 1`);

/** A row that somebody else has locked comes with the next look. */
const PUBLISH = byFeed(
  (table) => `
with due as (select id from ${table} where seq is null order by id limit $2 for no key update skip locked),
n as (select id, row_number() over (order by id) as n from due),
f as (update feeds set last_seq = last_seq + (select count(*) from n) where name = $1 returning last_seq - (select count(*) from n) as base)
update ${table} t set seq = f.base + n.n from n, f where t.id = n.id returning t.id`,
);
