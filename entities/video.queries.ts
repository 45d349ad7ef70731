import type { TaskStatus } from '../core/states.ts';
import type { SceneScript, SceneVideo, StatusCounts, VideoTask, VideoTaskDetail } from '../schemas/video.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query } from './sql.ts';
import type { Scope } from './task.queries.ts';
import { wireTime } from './wire.ts';

/** The queries of the document's task repository, by its names. Each is one statement, however many rows it finds. */
const COLUMNS = `t.uuid as task_id, t.name, u.username as user, t.prompt, t.status, t.status_reason, t.progress, t.total_scenes, t.completed_scenes,
  t.final_video_path, t.error ->> 'code' as error_code, t.error_message, t.queue, t.priority, t.attempt, t.tags,
  ${wireTime('t.created_at')}, ${wireTime('t.started_at')}, ${wireTime('t.completed_at')}, t.duration`;
const FROM = 'tasks t join users u on u.id = t.user_id';
const MINE = `t.type = 'video' and ($2::int8 is null or t.user_id = $2)`;

const SCRIPT = `s.scene_number, s.description, s.duration, s.camera_movement, s.lighting, s.voice_text, s.color, s.picture, ${wireTime('s.created_at')}`;
const VIDEO = `v.scene_number, v.file_path, v.file_size::float8 as file_size, v.duration, v.width, v.height, v.fps, v.frames, v.status, v.sha256, v.attempts,
  v.error_message, v.thumbnail_path, ${wireTime('v.created_at')}`;
const SCRIPTS = `(select coalesce(json_agg(s order by s.scene_number), '[]') from (select ${SCRIPT} from scripts s where s.task_id = t.uuid) s) as scripts`;
const VIDEOS = `(select coalesce(json_agg(v order by v.scene_number), '[]') from (select ${VIDEO} from videos v where v.task_id = t.uuid) v) as videos`;

/** One video task; null when there is none or it is somebody else's. */
export async function getTask(em: Em, task_id: string, scope: Scope): Promise<VideoTask | null> {
  const rows = await query<VideoTask>(em, `select ${COLUMNS} from ${FROM} where t.uuid = $1 and ${MINE}`, [task_id, scope.user_id]);
  return rows[0] ?? null;
}

/** As `getTask`, with its script. */
export async function getWithScripts(em: Em, task_id: string, scope: Scope): Promise<Omit<VideoTaskDetail, 'videos'> | null> {
  const sql = `select ${COLUMNS}, ${SCRIPTS} from ${FROM} where t.uuid = $1 and ${MINE}`;
  return (await query<VideoTaskDetail>(em, sql, [task_id, scope.user_id]))[0] ?? null;
}

/** As `getTask`, with its rendered scenes. */
export async function getWithVideos(em: Em, task_id: string, scope: Scope): Promise<Omit<VideoTaskDetail, 'scripts'> | null> {
  const sql = `select ${COLUMNS}, ${VIDEOS} from ${FROM} where t.uuid = $1 and ${MINE}`;
  return (await query<VideoTaskDetail>(em, sql, [task_id, scope.user_id]))[0] ?? null;
}

/** As `getTask`, with script and rendered scenes. */
export async function getTaskDetail(em: Em, task_id: string, scope: Scope): Promise<VideoTaskDetail | null> {
  const sql = `select ${COLUMNS}, ${SCRIPTS}, ${VIDEOS} from ${FROM} where t.uuid = $1 and ${MINE}`;
  return (await query<VideoTaskDetail>(em, sql, [task_id, scope.user_id]))[0] ?? null;
}

/** The script of a task, scene by scene. Whoever asks has made sure that the task is theirs. */
export async function getTaskScripts(em: Em, task_id: string): Promise<SceneScript[]> {
  return await query<SceneScript>(em, `select ${SCRIPT} from scripts s where s.task_id = $1 order by s.scene_number`, [task_id]);
}

/** The rendered scenes of a task. Whoever asks has made sure that the task is theirs. */
export async function getTaskVideos(em: Em, task_id: string): Promise<SceneVideo[]> {
  return await query<SceneVideo>(em, `select ${VIDEO} from videos v where v.task_id = $1 order by v.scene_number`, [task_id]);
}

/** Filters that are absent are undefined. */
export type VideoFilter = { status?: TaskStatus[]; user?: string };

/** Video tasks, newest first: a user's, or everybody's. */
export async function getUserTasks(em: Em, filter: VideoFilter & Scope, page: PageRequest): Promise<Page<VideoTask>> {
  const list = conditions();
  list.clauses.push(`t.type = 'video'`);
  where(list, 't.user_id = ?', filter.user_id);
  where(list, 't.status = any(?::text[])', filter.status);
  where(list, 't.user_id = (select id from users where username = ?)', filter.user);
  const keys: Key[] = [
    { column: 't.created_at', kind: 'time' },
    { column: 't.uuid', kind: 'uuid' },
  ];
  const listing = { columns: COLUMNS, from: FROM, conditions: list, sort: '-created_at', keys };
  return await readPage<VideoTask>(em, listing, page);
}

/** The last video tasks, newest first. */
export async function getRecent(em: Em, scope: Scope, limit = 20): Promise<VideoTask[]> {
  return (await getUserTasks(em, scope, { limit, cursor: null })).items;
}

/** Tasks by id with scripts and scenes, in the order of their creation: what an export writes of one page. */
export async function getTaskDetails(em: Em, task_ids: readonly string[]): Promise<VideoTaskDetail[]> {
  const sql = `select ${COLUMNS}, ${SCRIPTS}, ${VIDEOS} from ${FROM} where t.uuid = any($1::uuid[]) order by t.created_at, t.uuid`;
  return await query<VideoTaskDetail>(em, sql, [task_ids]);
}

const STATUSES: readonly TaskStatus[] = ['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'];

/** How many video tasks are in each state; states without any count 0. */
export async function countByStatus(em: Em, scope: Scope): Promise<StatusCounts> {
  const rows = await query<{ status: TaskStatus; n: number }>(
    em,
    `select status, count(*)::int4 as n from tasks t where t.type = 'video' and ($1::int8 is null or t.user_id = $1) group by status`,
    [scope.user_id],
  );
  const found = new Map(rows.map(({ status, n }) => [status, n]));
  const counts = Object.fromEntries(STATUSES.map((status) => [status, found.get(status) ?? 0])) as StatusCounts['counts'];
  return { counts, total: rows.reduce((sum, { n }) => sum + n, 0) };
}

/** One change of a video as it is streamed. */
export type VideoChange = { id: number; event: string; data: Record<string, unknown> };

/** What a stream goes on with; `status`: the task's state in the same snapshot. */
export type VideoChanges = { status: TaskStatus; events: VideoChange[] };

/** At most `limit` changes after the one numbered `after`. Null: there is no such task. */
export async function readEvents(
  em: Em,
  task_id: string,
  { after, limit }: { after: number; limit: number },
): Promise<VideoChanges | null> {
  const rows = await query<VideoChanges>(
    em,
    `select t.status, (select coalesce(json_agg(json_build_object('id', e.id, 'event', e.event, 'data', e.data) order by e.id), '[]')
       from (select id, event, data from video_events where task_id = $1 and id > $2 order by id limit $3) e) as events
     from tasks t where t.uuid = $1`,
    [task_id, after, limit],
  );
  return rows[0] ?? null;
}

/** What a user's files take, in one statement. */
export async function storageUse(
  em: Em,
  user_id: number,
  default_mb: number,
): Promise<{ used_bytes: number; limit_bytes: number; files: number }> {
  const rows = await query<{ used_bytes: number; limit_bytes: number; files: number }>(
    em,
    `select coalesce(sum(f.bytes), 0)::float8 as used_bytes, coalesce(u.storage_limit_mb, $2)::float8 * 1048576 as limit_bytes, count(f.id)::int4 as files
     from users u left join video_files f on f.user_id = u.id where u.id = $1 group by u.id`,
    [user_id, default_mb],
  );
  return rows[0] ?? { used_bytes: 0, limit_bytes: 0, files: 0 };
}
