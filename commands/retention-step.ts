/**
 * How old rows of one table are counted and removed. `count`: $1 is the cutoff of the table; the others are those of tasks and instances, where it
 * `needs` them. `batch` looks at `size` rows behind ($2, $3), their time and key; `start` is the least key.
 */
export type Step = { count: string; needs?: true; batch: string; size: number; start: string };

export const BATCH = 1_000;

type KeyType = 'int8' | 'uuid' | 'text';
export const LEAST: Record<KeyType, string> = { int8: '0', uuid: '00000000-0000-0000-0000-000000000000', text: '' };

/**
 * What a batch says of itself at its end, from its parts `page` (rows looked at, each with `created_at` and `key`) and `gone` (rows removed).
 * @param more SQL, above 0: the page is not done with; `children`: SQL, rows removed with it, by table
 */
export const tally = (key: string, { more = '0', children }: { more?: string; children?: string } = {}): string =>
  `select (select count(*) from gone)::int4 as n, ${more} as more, (select count(*) from page)::int4 as seen, ${children ? `${children} as children,` : ''}
    (select to_jsonb(x) from (select created_at::text as created_at, ${key}::text as key from page order by page.created_at desc, ${key} desc limit 1) x) as last`;

/** `old`: which rows of `table`, called `as`, are; `free`: and may go now; `children`: rows of another table that go along, by their column `by`. */
type Doomed = {
  table: string;
  as: string;
  key: string;
  type: KeyType;
  old: string;
  free?: string;
  children?: { table: string; by: string };
};

/** The step for rows that go by their key, those created first before the others, leaving out what somebody else has locked. */
export function byKey({ table, as, key, type, old, free = 'true', children }: Doomed): Step {
  const along = children && `along as (delete from ${children.table} where ${children.by} in (select ${key} from page) returning 1),`;
  return {
    size: BATCH,
    start: LEAST[type],
    count: `select count(*)::int4 as n from ${table} ${as} where ${old}`,
    batch: `with page as materialized (
        select ${as}.${key}, ${as}.created_at from ${table} ${as} where ${old} and ${free} and (${as}.created_at, ${as}.${key}) > ($2::timestamptz, $3::${type})
        order by ${as}.created_at, ${as}.${key} limit ${BATCH} for update skip locked),
      ${along ?? ''}
      gone as (delete from ${table} where ${key} in (select ${key} from page) returning 1)
      ${tally(key, children && { children: `jsonb_build_object('${children.table}', (select count(*) from along))` })}`,
  };
}
