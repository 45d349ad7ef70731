import { createHash, randomBytes } from 'node:crypto';

const PATTERN = /^eng_([0-9a-z]{1,13})_[A-Za-z0-9_-]{43}$/;

/** SHA-256 of a key, hex: what is stored. The secret part has 256 random bits, so a slow hash would add nothing. */
export const hashApiKey = (key: string): string => createHash('sha256').update(key).digest('hex');

/**
 * Makes a key for a user: `eng_<user id in base 36>_<43 characters of base64url, 32 random bytes>`.
 * `key` is shown once and never stored; `hash` goes into `users.api_key`.
 */
export function newApiKey(userId: number): { key: string; hash: string } {
  const key = `eng_${userId.toString(36)}_${randomBytes(32).toString('base64url')}`;
  return { key, hash: hashApiKey(key) };
}

/** The user that a key claims to belong to; null when it does not have the form of a key. */
export function claimedUserId(key: string): number | null {
  const match = PATTERN.exec(key);
  const id = match ? Number.parseInt(match[1] ?? '', 36) : Number.NaN;
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}
