import { type Em, query } from './sql.ts';

export type CachedAnswer = { key: string; response: string; prompt_tokens: number | null; completion_tokens: number | null };

/** Those of the keys that have an answer which still counts. */
export async function readCached(em: Em, keys: readonly string[]): Promise<Map<string, CachedAnswer>> {
  const rows = await query<CachedAnswer>(
    em,
    `select key, response, prompt_tokens, completion_tokens from flames_cache where key = any($1::text[]) and expires_at > now()`,
    [keys],
  );
  return new Map(rows.map((row) => [row.key, row]));
}

/** Keeps answers for `hours` from now on; an older one under the same key is replaced. */
export async function storeCached(em: Em, owner: { user_id: number; hours: number }, answers: readonly CachedAnswer[]): Promise<void> {
  if (answers.length === 0) return;
  const distinct = [...new Map(answers.map((answer) => [answer.key, answer])).values()];
  const column = <K extends keyof CachedAnswer>(field: K) => distinct.map((answer) => answer[field]);
  await query(
    em,
    `insert into flames_cache (key, user_id, expires_at, response, prompt_tokens, completion_tokens)
     select a.key, $1, now() + make_interval(secs => $2::float8 * 3600), a.response, a.prompt_tokens, a.completion_tokens
     from unnest($3::text[], $4::text[], $5::int4[], $6::int4[]) as a(key, response, prompt_tokens, completion_tokens) order by a.key
     on conflict (key) do update set response = excluded.response, prompt_tokens = excluded.prompt_tokens,
       completion_tokens = excluded.completion_tokens, expires_at = excluded.expires_at`,
    [owner.user_id, owner.hours, column('key'), column('response'), column('prompt_tokens'), column('completion_tokens')],
  );
}
