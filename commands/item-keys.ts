import { createHash } from 'node:crypto';
import { EngineError } from '../core/errors.ts';
import type { TaskSubmission } from '../schemas/task.ts';

/** `request_hash`: SHA-256 of route and body; the same key with another hash is refused. */
export type Idempotency = { key: string; request_hash: string };
/** `idempotency`: the header's key, for all items together; items of a batch may have keys of their own instead. */
export type Submission = { items: readonly TaskSubmission[]; idempotency: Idempotency | null };
/** An idempotency key and the items whose answer it keeps. */
export type ItemKey = Idempotency & { indexes: readonly number[] };

/**
 * The keys of a request: the header's for all items, or those that items bring themselves.
 * @throws EngineError invalid_input: both kinds at once, or a key twice in a batch
 */
export function keysOf({ items, idempotency }: Submission): ItemKey[] {
  const own = items.flatMap((item, index) => (item.idempotency_key ? [{ key: item.idempotency_key, item, index }] : []));
  if (idempotency) {
    if (own[0]) throw bad(own[0].index, 'must not be given together with the header Idempotency-Key');
    return [{ ...idempotency, indexes: items.map((_, index) => index) }];
  }
  const seen = new Set<string>();
  return own.map(({ key, item, index }) => {
    if (seen.has(key)) throw bad(index, `"${key}" stands twice in this batch`);
    seen.add(key);
    return { key, request_hash: hashOf(item), indexes: [index] };
  });
}

const hashOf = (item: unknown): string =>
  createHash('sha256')
    .update(`item\n${JSON.stringify(item)}`)
    .digest('hex');

function bad(index: number, detail: string): EngineError {
  return new EngineError('invalid_input', `idempotency_key: ${detail}`, { errors: [{ pointer: `/${index}/idempotency_key`, detail }] });
}
