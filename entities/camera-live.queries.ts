import { type Em, query } from './sql.ts';

/** Frames of cameras that somebody watches, oldest first; what was there before is replaced. */
export async function publishFrames(em: Em, frames: Readonly<Record<string, readonly unknown[]>>): Promise<void> {
  await query(em, PUBLISH_FRAMES, [Object.keys(frames), Object.values(frames).map((list) => JSON.stringify(list))]);
}

const PUBLISH_FRAMES = `update camera_live l set seq = l.seq + 1, frames = n.frames
  from unnest($1::text[], $2::jsonb[]) as n(camera_id, frames) where l.camera_id = n.camera_id and l.watched_until > now()`;

/** The latest picture (JPEG) of a camera that somebody watches. */
export async function publishPicture(em: Em, camera_id: string, picture: Uint8Array): Promise<void> {
  const sql = 'update camera_live set picture_seq = picture_seq + 1, picture = $2 where camera_id = $1 and watched_until > now()';
  await query(em, sql, [camera_id, picture]);
}

export async function isWatched(em: Em, camera_id: string): Promise<boolean> {
  return (await query(em, 'select 1 from camera_live where camera_id = $1 and watched_until > now()', [camera_id])).length > 0;
}

/** Says that somebody watches a camera for the next seconds, so that its frames and pictures are handed on. */
export async function watchCamera(em: Em, camera_id: string, seconds: number): Promise<void> {
  await query(em, WATCH, [camera_id, seconds]);
}

const WATCH = `insert into camera_live (camera_id, watched_until) values ($1, now() + make_interval(secs => $2))
  on conflict (camera_id) do update set watched_until = greatest(camera_live.watched_until, excluded.watched_until)`;

/** What is new for a viewer who has seen `after`: frames, or the picture; null: nothing. */
export type LiveNews<T> = { seq: number; news: T | null };

export async function readLiveFrames(em: Em, camera_id: string, after: number): Promise<LiveNews<unknown[]> | null> {
  const sql = `select seq::float8 as seq, case when seq <> $2 then frames end as news from camera_live where camera_id = $1`;
  return (await query<LiveNews<unknown[]>>(em, sql, [camera_id, after]))[0] ?? null;
}

export async function readLivePicture(em: Em, camera_id: string, after: number): Promise<LiveNews<Buffer> | null> {
  const sql = `select picture_seq::float8 as seq, case when picture_seq <> $2 then picture end as news from camera_live where camera_id = $1`;
  return (await query<LiveNews<Buffer>>(em, sql, [camera_id, after]))[0] ?? null;
}
