import { setTimeout as pause } from 'node:timers/promises';
import { type LiveNews, watchCamera } from '../../entities/camera-live.queries.ts';
import type { Em } from '../../entities/sql.ts';
import type { RouteContext } from '../define-route.ts';

const POLL_MS = 100;
/** How long a camera counts as watched, and how often that is said again. */
const WATCHED_S = 15;
const REPEAT_MS = 5_000;

type Read<T> = (em: Em, camera_id: string, after: number) => Promise<LiveNews<T> | null>;

/**
 * What is new of a camera, as it comes. A viewer gets the next only when it has taken the last, and then the latest: one that is slow misses what lay between,
 * and nobody waits for it. While the database is away there is nothing new.
 */
export async function* followCamera<T>(
  ctx: Pick<RouteContext, 'em' | 'signal'>,
  camera_id: string,
  read: Read<T>,
): AsyncGenerator<{ seq: number; news: T }> {
  let after = (await read(ctx.em, camera_id, -1))?.seq ?? 0;
  for (let watched_at = Number.NEGATIVE_INFINITY; !ctx.signal.aborted; ) {
    const now = performance.now();
    if (now - watched_at > REPEAT_MS) {
      await watchCamera(ctx.em, camera_id, WATCHED_S).catch(() => undefined);
      watched_at = now;
    }
    const found = await read(ctx.em, camera_id, after).catch(() => null);
    after = found?.seq ?? after;
    if (found?.news) yield { seq: found.seq, news: found.news };
    await pause(POLL_MS, undefined, { signal: ctx.signal }).catch(() => undefined);
  }
}
