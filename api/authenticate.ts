import { timingSafeEqual } from 'node:crypto';
import { claimedUserId, hashApiKey } from '../commands/api-key.ts';
import type { Actor } from '../commands/context.ts';
import type { Logger } from '../config/logger.ts';
import { EngineError } from '../core/errors.ts';
import type { MikroORM } from '../entities/orm.ts';
import { query } from '../entities/sql.ts';

/** How long a process trusts a key that it has checked. Changes made through the same process are seen at once. */
const TRUST_MS = 1_000;
const TOUCH_MS = 60_000;
const MOST_TRUSTED = 10_000;
const NO_HASH = '0'.repeat(64);

type KeyRow = Actor & {
  is_active: boolean;
  api_key: string | null;
  previous_api_key: string | null;
  previous_valid: boolean;
  touched: boolean;
};
type Trusted = { actor: Actor; until: number };

/** `authenticate` takes the Authorization header; `forget` drops what is remembered about keys, after a user was changed. */
export type Authenticator = { authenticate(header: string | undefined): Promise<Actor>; forget(): void };

const SELECT = `select id::float8 as id, username, role, rights, is_active, api_key, previous_api_key,
    coalesce(previous_api_key_until > now(), false) as previous_valid,
    coalesce(last_used_at > now() - interval '${TOUCH_MS} milliseconds', false) as touched
  from users where id = $1`;

/** In constant time; a missing hash is compared too, so that unknown and known users answer alike. */
const equal = (stored: string | null, presented: string): boolean =>
  timingSafeEqual(Buffer.from(stored ?? NO_HASH, 'utf8'), Buffer.from(presented, 'utf8')) && stored !== null;

function matches(row: KeyRow | undefined, hash: string): boolean {
  const current = equal(row?.api_key ?? null, hash);
  const previous = equal(row?.previous_api_key ?? null, hash);
  return row?.is_active === true && (current || (previous && row.previous_valid));
}

const refused = (why: string): EngineError => new EngineError('unauthenticated', `${why}: send "Authorization: Bearer <API key>"`);

function presentedKey(header: string | undefined): string {
  if (header === undefined || header === '') throw refused('no API key');
  const key = /^Bearer +(\S{1,128})$/i.exec(header)?.[1];
  if (key === undefined) throw refused('the Authorization header is not a bearer key');
  return key;
}

/** Checks bearer keys against `users`. The time of last use is noted at most once a minute, beside the request. */
export function createAuthenticator(orm: MikroORM, logger: Logger, now: () => number = Date.now): Authenticator {
  const trusted = new Map<string, Trusted>();
  const touching = new Set<number>();
  let generation = 0;

  /** One at a time for a user: many requests at once would all wait for the same row. */
  const touch = async (id: number) => {
    if (touching.has(id)) return;
    touching.add(id);
    await query(orm.em.fork(), 'update users set last_used_at = now() where id = $1', [id]).catch((error: unknown) =>
      logger.warn({ error }, 'time of last use not stored'),
    );
    touching.delete(id);
  };

  const look = async (key: string, hash: string): Promise<Actor> => {
    const asOf = generation;
    const [row] = await query<KeyRow>(orm.em.fork(), SELECT, [claimedUserId(key) ?? 0]);
    if (!matches(row, hash) || !row) throw refused('the API key is not valid');
    if (!row.touched) void touch(row.id);
    const actor: Actor = { id: row.id, username: row.username, role: row.role, rights: row.rights };
    if (trusted.size >= MOST_TRUSTED) trusted.clear();
    if (asOf === generation) trusted.set(hash, { actor, until: now() + TRUST_MS });
    return actor;
  };

  return {
    async authenticate(header) {
      const key = presentedKey(header);
      const hash = hashApiKey(key);
      const known = trusted.get(hash);
      return known && known.until > now() ? known.actor : await look(key, hash);
    },
    forget() {
      generation += 1;
      trusted.clear();
    },
  };
}
