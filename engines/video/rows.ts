import { EngineError } from '../../core/errors.ts';
import type { Scene } from '../../core/video/script.ts';
import { type Em, query } from '../../entities/sql.ts';

/** A scene of the stored script. `scene_number` from 1. */
export type StoredScene = Scene & { scene_number: number };
/** What is stored of a scene's file. */
export type StoredVideo = { scene_number: number; file_path: string; status: string; sha256: string | null; attempts: number };

/** What an earlier execution or instance left of a video. */
export type VideoRows = { script: StoredScene[]; videos: StoredVideo[] };

/** Reads both in one statement. */
export async function loadRows(em: Em, task_id: string): Promise<VideoRows> {
  const rows = await query<VideoRows>(em, LOAD, [task_id]);
  return rows[0] ?? { script: [], videos: [] };
}

const LOAD = `
select
  (select coalesce(json_agg(json_build_object('scene_number', scene_number, 'description', description, 'duration', duration,
     'camera_movement', camera_movement, 'lighting', lighting, 'voice_text', voice_text, 'color', color, 'picture', picture) order by scene_number), '[]')
   from scripts where task_id = $1) as script,
  (select coalesce(json_agg(json_build_object('scene_number', scene_number, 'file_path', file_path, 'status', status, 'sha256', sha256,
     'attempts', attempts) order by scene_number), '[]')
   from videos where task_id = $1) as videos`;

/** Writes the script in one statement; one that is there already stays as it is. */
export async function storeScript(em: Em, task_id: string, scenes: readonly Scene[]): Promise<void> {
  const column = <K extends keyof Scene>(name: K): Scene[K][] => scenes.map((scene) => scene[name]);
  await query(
    em,
    `with s as (
       insert into scripts (task_id, scene_number, description, duration, camera_movement, lighting, voice_text, color, picture)
       select $1, n, description, duration, camera_movement, lighting, voice_text, color, picture
       from unnest($2::text[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) with ordinality
         as s(description, duration, camera_movement, lighting, voice_text, color, picture, n)
       on conflict do nothing returning 1)
     update tasks set total_scenes = $9, progress = greatest(progress, 10) from (select count(*) from s) written where uuid = $1`,
    [
      task_id,
      column('description'),
      column('duration'),
      column('camera_movement'),
      column('lighting'),
      column('voice_text'),
      column('color'),
      column('picture'),
      scenes.length,
    ],
  );
}

const COUNT = `update tasks set completed_scenes = v.n, progress = greatest(progress, $2::int4)
  from (select count(*)::int4 as n from videos where task_id = $1 and status = 'completed') v where uuid = $1`;

/** Notes that a scene's rendering begins; what was stored of it no longer counts. @returns which attempt it is */
export async function beginScene(em: Em, scene: { task_id: string; scene_number: number; file_path: string }): Promise<number> {
  const rows = await query<{ attempts: number }>(
    em,
    `insert into videos (task_id, scene_number, file_path, status, attempts) values ($1, $2, $3, 'rendering', 1)
     on conflict (task_id, scene_number) do update set status = 'rendering', file_path = $3, attempts = videos.attempts + 1, error_message = null
     returning attempts`,
    [scene.task_id, scene.scene_number, scene.file_path],
  );
  await query(em, COUNT, [scene.task_id, 0]);
  return rows[0]?.attempts ?? 1;
}

/** A scene whose file is stored. `duration` in seconds. */
export type DoneScene = {
  task_id: string;
  scene_number: number;
  file_size: number;
  sha256: string;
  duration: number;
  width: number;
  height: number;
  fps: number;
  frames: number;
  thumbnail_path: string | null;
};

/** Makes a scene final, and counts it, in one transaction of the caller. */
export async function completeScene(em: Em, scene: DoneScene, progress: number): Promise<void> {
  await query(
    em,
    `update videos set status = 'completed', file_size = $3, sha256 = $4, duration = $5, width = $6, height = $7, fps = $8, frames = $9,
       thumbnail_path = $10, error_message = null
     where task_id = $1 and scene_number = $2`,
    [
      scene.task_id,
      scene.scene_number,
      scene.file_size,
      scene.sha256,
      scene.duration,
      scene.width,
      scene.height,
      scene.fps,
      scene.frames,
      scene.thumbnail_path,
    ],
  );
  await query(em, COUNT, [scene.task_id, progress]);
}

/** Notes why a scene could not be rendered. */
export async function failScene(em: Em, scene: { task_id: string; scene_number: number; message: string }): Promise<void> {
  await query(em, `update videos set status = 'failed', error_message = $3 where task_id = $1 and scene_number = $2`, [
    scene.task_id,
    scene.scene_number,
    scene.message,
  ]);
}

/** Raises the progress, never lowers it. */
export async function noteProgress(em: Em, task_id: string, progress: number): Promise<void> {
  await query(em, 'update tasks set progress = $2 where uuid = $1 and progress < $2', [task_id, progress]);
}

/** Notes where the finished video is. */
export async function storeFinal(em: Em, task_id: string, path: string): Promise<void> {
  await query(em, 'update tasks set final_video_path = $2, progress = greatest(progress, 99) where uuid = $1', [task_id, path]);
}

/**
 * Notes a file before it is stored, so that it is found and removed whatever happens next; a file of the same key is replaced.
 * @param limit_mb what a user may store who has no limit of their own
 * @throws EngineError quota_exceeded: the user would store more than that
 */
export async function noteFile(
  em: Em,
  file: { task_id: string; user_id: number; key: string; bytes: number },
  limit_mb: number,
): Promise<void> {
  await query(
    em,
    `insert into video_files (task_id, user_id, key, bytes) values ($1, $2, $3, $4)
     on conflict (key) do update set task_id = $1, bytes = $4`,
    [file.task_id, file.user_id, file.key, file.bytes],
  );
  const { used, limit } = await storageOf(em, file.user_id, limit_mb);
  if (used <= limit) return;
  throw new EngineError('quota_exceeded', storageMessage({ used, limit }), { details: { used_bytes: used, limit_bytes: limit } });
}

/** Bytes that a user's files take, and may take. */
export type Storage = { used: number; limit: number };

export async function storageOf(em: Em, user_id: number, limit_mb: number): Promise<Storage> {
  const rows = await query<Storage>(
    em,
    `select (select coalesce(sum(bytes), 0) from video_files where user_id = $1)::float8 as used,
       (select coalesce(storage_limit_mb, $2) from users where id = $1)::float8 * 1048576 as limit`,
    [user_id, limit_mb],
  );
  return rows[0] ?? { used: 0, limit: 0 };
}

const mb = (bytes: number): number => Math.round(bytes / 10_485.76) / 100;

export const storageMessage = ({ used, limit }: Storage): string =>
  `storage: ${mb(used)} MB of at most ${mb(limit)} MB of video files: delete some`;
