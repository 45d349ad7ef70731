import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import { contextOf, submitOne } from './factories.ts';
import type { RouteCase } from './route-cases.ts';

const SCENES = [
  { description: 'one', duration: 1, voice_text: 'said' },
  { description: 'two', duration: 2 },
];

/** A video task of the caller `user`, as submitted. */
export async function ownVideo({ em, user }: TestApi): Promise<string> {
  return (await submitOne(contextOf(em, user), { template: 'video', parameters: { prompt: 'a fox', scenes: SCENES } })).uuid;
}

/** As `ownVideo`, with its script and one rendered scene and the finished file in the store; nothing rendered them. */
export async function finishedVideo(api: TestApi): Promise<string> {
  const uuid = await ownVideo(api);
  const { em, user } = api;
  await query(em, `update tasks set status = 'processing' where uuid = $1`, [uuid]);
  for (const [i, { description, duration, voice_text = null }] of SCENES.entries()) {
    const name = `videos/${uuid}/scene-00${i + 1}`;
    const { size, sha256 } = await api.artifacts.put(`${name}.mp4`, `scene ${i + 1} of ${uuid}`);
    const picture = await api.artifacts.put(`${name}.jpg`, `picture ${i + 1}`);
    await query(em, 'insert into scripts (task_id, scene_number, description, duration, voice_text) values ($1, $2, $3, $4, $5)', [
      uuid,
      i + 1,
      description,
      duration,
      voice_text,
    ]);
    await query(
      em,
      `insert into videos (task_id, scene_number, file_path, file_size, duration, width, height, fps, frames, sha256, attempts, thumbnail_path)
       values ($1, $2, $3, $4, $5, 640, 360, 24, $6, $7, 1, $8)`,
      [uuid, i + 1, `${name}.mp4`, size, duration, duration * 24, sha256, `${name}.jpg`],
    );
    for (const file of [{ key: `${name}.mp4`, size }, picture]) {
      await query(em, 'insert into video_files (task_id, user_id, key, bytes) values ($1, $2, $3, $4)', [
        uuid,
        user.id,
        file.key,
        file.size,
      ]);
    }
  }
  for (const extension of ['mp4', 'jpg']) {
    const { key, size } = await api.artifacts.put(`videos/${uuid}/video.${extension}`, '0123456789');
    await query(em, 'insert into video_files (task_id, user_id, key, bytes) values ($1, $2, $3, $4)', [uuid, user.id, key, size]);
  }
  await query(
    em,
    `update tasks set total_scenes = 2, completed_scenes = 2, progress = 100, final_video_path = $2, status = 'completed',
       started_at = now() - interval '8 seconds', completed_at = now() where uuid = $1`,
    [uuid, `videos/${uuid}/video.mp4`],
  );
  return uuid;
}

async function failedVideo(api: TestApi): Promise<string> {
  const uuid = await ownVideo(api);
  await query(api.em, `update tasks set status = 'failed', completed_at = now() where uuid = $1`, [uuid]);
  return uuid;
}

type Case = (api: TestApi) => Promise<RouteCase>;
const own =
  (make: (api: TestApi) => Promise<string>, rest = '', body?: Record<string, unknown>): Case =>
  async (api) => ({ path: `/video/tasks/${await make(api)}${rest}`, owner: true, ...(body ? { body } : {}) });
const fixed =
  (path: string, body?: Record<string, unknown>): Case =>
  async () => ({ path, ...(body ? { body } : {}) });

export const VIDEO_CASES: Record<string, Case> = {
  submitVideo: fixed('/video/tasks', {
    prompt: 'a fox',
    scene_count: 3,
    width: 64,
    name: 'a video',
    queue: 'q',
    priority: 10,
    tags: { a: 'b' },
    writer: { kind: 'builtin' },
  }),
  listVideos: fixed('/video/tasks'),
  getVideo: own(ownVideo),
  cancelVideo: own(ownVideo, '/cancel', { reason: 'enough', grace_s: 1 }),
  retryVideo: own(failedVideo, '/retry'),
  streamVideoEvents: own(ownVideo, '/events'),
  getVideoFile: own(finishedVideo, '/video'),
  getVideoThumbnail: own(finishedVideo, '/thumbnail'),
  getVideoSubtitles: own(finishedVideo, '/subtitles'),
  getSceneFile: own(finishedVideo, '/scenes/1'),
  getSceneThumbnail: own(finishedVideo, '/scenes/2/thumbnail'),
  deleteVideoFiles: own(finishedVideo, '/files'),
  getVideoStorage: fixed('/video/storage'),
  getStatistics: fixed('/statistics'),
  getStatusCounts: fixed('/statistics/status'),
  recomputeStatistics: fixed('/statistics/recompute?from=2026-01-01&to=2026-01-31'),
  listQuotaLedger: fixed('/quota-ledger'),
  exportTasks: fixed('/export/tasks'),
};
