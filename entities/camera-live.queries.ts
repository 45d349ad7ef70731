import { type Em, query } from './sql.ts';

/** Frames of cameras that somebody watches, oldest first; what was there before is replaced. */
export async function publishFrames(em: Em, frames: Readonly<Record<string, readonly unknown[]>>): Promise<void> {
  await query(em, PUBLISH_FRAMES, [Object.keys(frames), Object.values(frames).map((list) => JSON.stringify(list))]);
}

const PUBLISH_FRAMES = `update camera_live l set seq = l.seq + 1, frames = n.frames
  from unnest($1::text[], $2::jsonb[]) as n(camera_id, frames) where l.camera_id = n.camera_id and l.watched_until > now()`;
