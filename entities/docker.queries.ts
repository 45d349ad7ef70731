import type { DockerContainer, DockerImage, DockerImageLog, ImageLogStats } from '../schemas/docker.ts';
import { conditions, type Key, type Page, type PageRequest, readPage, where } from './page.ts';
import { type Em, query, queryOnce } from './sql.ts';
import { wireNumber, wireTime, wireTimes } from './wire.ts';

const ID = (alias: string): Key[] => [{ column: `${alias}.id`, kind: 'integer' }];

/** The forms in which people name an image: full id, id without its algorithm, the first twelve digits or more, or a tag. */
const NAMED = (column: string): string =>
  `(${column} = $1::text or ${column} = 'sha256:' || $1::text or ($1::text ~ '^(sha256:){0,1}[0-9a-f]{12,}$' and ${column} like 'sha256:' || replace($1::text, 'sha256:', '') || '%'))`;

const IMAGE = `${wireNumber('i.id')}, i.docker_id, i.image_id, i.repo_tags, i.repo_digests, i.digest, ${wireNumber('i.size')}, i.labels,
  (select count(*)::int4 from docker_container c where c.docker_id = i.docker_id and c.image_id = i.image_id and c.removed_at is null) as containers,
  ${['created', 'first_seen', 'last_seen', 'removed_at'].map((column) => wireTime(`i.${column}`)).join(', ')}, ${wireTimes('i')}`;

export type ImageFilter = { docker_id?: string; tag?: string; removed?: boolean };

/** Images, newest row first; `removed` left out: those that are there. */
export async function listImages(em: Em, filter: ImageFilter, page: PageRequest): Promise<Page<DockerImage>> {
  const list = conditions();
  where(list, 'i.docker_id = ?', filter.docker_id);
  where(list, '? = any(i.repo_tags)', filter.tag);
  list.clauses.push(filter.removed ? 'i.removed_at is not null' : 'i.removed_at is null');
  return await readPage(em, { columns: IMAGE, from: 'docker_image i', conditions: list, sort: '-id', keys: ID('i') }, page);
}

/** One image by id or tag; where several Engines have it, one that has it still. */
export async function findImage(em: Em, name: string): Promise<DockerImage | null> {
  const sql = `select ${IMAGE} from docker_image i where ${NAMED('i.image_id')} or $1 = any(i.repo_tags) or $1 || ':latest' = any(i.repo_tags)
    order by i.removed_at is not null, i.last_seen desc limit 1`;
  return (await query<DockerImage>(em, sql, [name]))[0] ?? null;
}

const CONTAINER = `${wireNumber('c.id')}, c.docker_id, c.container_id, c.container_name, c.image_id, c.image_name, c.status, c.exit_code, c.ports, c.environment, c.labels, c.runid,
  (select jsonb_build_object('repo_tags', i.repo_tags, 'size', i.size, 'digest', i.digest, 'removed_at', to_char(i.removed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
   from docker_image i where i.docker_id = c.docker_id and i.image_id = c.image_id) as image,
  coalesce((select jsonb_object_agg(s.segment_type, s.count) from container_log_statistics s where s.container_id = c.container_id), '{}') as segments,
  ${['created', 'started_at', 'finished_at', 'removed_at'].map((column) => wireTime(`c.${column}`)).join(', ')}, ${wireTimes('c')}`;

export type ContainerFilter = { docker_id?: string; status?: string[]; image_id?: string; container_name?: string; runid?: string };

/** Containers with their images and what their logs hold, newest row first. */
export async function listContainers(em: Em, filter: ContainerFilter, page: PageRequest): Promise<Page<DockerContainer>> {
  const list = conditions();
  where(list, 'c.docker_id = ?', filter.docker_id);
  where(list, 'c.status = any(?::text[])', filter.status);
  where(list, 'c.image_id = ?', filter.image_id);
  where(list, 'c.container_name = ?', filter.container_name);
  where(list, 'c.runid = ?', filter.runid);
  const listing = { columns: CONTAINER, from: 'docker_container c', conditions: list, sort: '-id', keys: ID('c') };
  return await readPage(em, listing, page);
}

/** One container by id, the first twelve digits or more of it, or name. */
export async function findContainer(em: Em, name: string): Promise<DockerContainer | null> {
  const sql = `select ${CONTAINER} from docker_container c where c.container_id = $1 or c.container_name = $1
    or ($1 ~ '^[0-9a-f]{12,}$' and c.container_id like $1 || '%') order by c.removed_at is not null, c.last_seen desc limit 1`;
  return (await query<DockerContainer>(em, sql, [name]))[0] ?? null;
}

const LOG = `${['id', 'bytes', 'duration_ms'].map((column) => wireNumber(`l.${column}`)).join(', ')}, l.docker_id, l.worker, l.image_id, l.image_name, l.operation,
  l.status, l.message, l.error_code, l.actor, l.task_id, l.runid, l.layers, l.progress, ${wireTime('l.ended_at')}, ${wireTimes('l')}`;

export type ImageLogFilter = {
  operation?: string[];
  status?: string[];
  image_name?: string;
  worker?: string;
  docker_id?: string;
  task_id?: string;
  from?: string;
  to?: string;
};

/** Operations on images, newest first; `image`: an id in one of its forms, or a name. */
export async function listImageLogs(
  em: Em,
  { image, ...filter }: ImageLogFilter & { image?: string },
  page: PageRequest,
): Promise<Page<DockerImageLog>> {
  const list = conditions();
  if (image !== undefined) where(list, `(${NAMED('l.image_id').replaceAll('$1', '?')} or l.image_name = ?)`, image);
  where(list, 'l.operation = any(?::text[])', filter.operation);
  where(list, 'l.status = any(?::text[])', filter.status);
  where(list, 'l.image_name = ?', filter.image_name);
  where(list, 'l.worker = ?', filter.worker);
  where(list, 'l.docker_id = ?', filter.docker_id);
  where(list, 'l.task_id = ?', filter.task_id);
  where(list, 'l.created_at >= ?::timestamptz', filter.from);
  where(list, 'l.created_at < ?::timestamptz', filter.to);
  return await readPage(em, { columns: LOG, from: 'docker_image_log l', conditions: list, sort: '-id', keys: ID('l') }, page);
}

export async function findImageLog(em: Em, id: number): Promise<DockerImageLog | null> {
  return (await query<DockerImageLog>(em, `select ${LOG} from docker_image_log l where l.id = $1`, [id]))[0] ?? null;
}

/** Whether anything is known of an image. */
export async function isKnownImage(em: Em, image: string): Promise<boolean> {
  const sql = `select exists (select from docker_image i where ${NAMED('i.image_id')} or $1 = any(i.repo_tags))
    or exists (select from docker_image_log l where ${NAMED('l.image_id')} or l.image_name = $1) as known`;
  return (await query<{ known: boolean }>(em, sql, [image]))[0]?.known ?? false;
}

/** Operations counted by kind and end. */
export async function countImageLogs(em: Em, { from, to }: { from?: string | undefined; to?: string | undefined }): Promise<ImageLogStats> {
  const items = await queryOnce<ImageLogStats['items'][number]>(
    em,
    `select operation, count(*)::int4 as total, count(*) filter (where status = 'started')::int4 as started,
       count(*) filter (where status = 'succeeded')::int4 as succeeded, count(*) filter (where status = 'failed')::int4 as failed,
       coalesce(sum(bytes), 0)::float8 as bytes, avg(duration_ms)::float8 as mean_duration_ms
     from docker_image_log where ($1::timestamptz is null or created_at >= $1) and ($2::timestamptz is null or created_at < $2) group by operation order by operation`,
    [from ?? null, to ?? null],
  );
  return { items };
}
