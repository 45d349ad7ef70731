import type Docker from 'dockerode';
import type { ImageInfo } from 'dockerode';
import { type Em, query } from '../../entities/sql.ts';

/** What a comparison changed. */
export type Synced = { present: number; removed: number };

const real = (names: readonly string[] | null | undefined): string[] => (names ?? []).filter((name) => !name.includes('<none>'));

const SYNC = `
with seen as materialized (
  select * from unnest($2::text[], $3::jsonb[], $4::jsonb[], $5::int8[], $6::jsonb[], $7::timestamptz[])
    as s(image_id, tags, digests, size, labels, created)),
kept as (
  insert into docker_image (docker_id, image_id, repo_tags, repo_digests, digest, size, labels, created, last_seen)
  select $1, image_id, array(select jsonb_array_elements_text(tags)), array(select jsonb_array_elements_text(digests)), split_part(digests->>0, '@', 2), size, labels,
    created, clock_timestamp() from seen order by image_id
  on conflict (docker_id, image_id) do update set repo_tags = excluded.repo_tags, repo_digests = excluded.repo_digests, digest = coalesce(excluded.digest, docker_image.digest),
    size = excluded.size, labels = excluded.labels, last_seen = excluded.last_seen, removed_at = null returning 1),
gone as (
  update docker_image set removed_at = clock_timestamp(), repo_tags = '{}'
  where docker_id = $1 and removed_at is null and not (image_id = any($2)) and last_seen < $8::timestamptz returning 1)
select (select count(*) from kept)::int4 as present, (select count(*) from gone)::int4 as removed`;

/**
 * Brings the images of one daemon into the database: what it has is there, what it has no more is marked. What was noted after the daemon was asked is
 * left alone, so that two comparisons at once never take an image away that has just come.
 */
export async function syncImages(em: Em, docker: Docker, docker_id: string): Promise<Synced> {
  const [{ now } = { now: '' }] = await query<{ now: string }>(em, 'select clock_timestamp()::text as now');
  const images = (await docker.listImages({ digests: true })) as ImageInfo[];
  const column = (pick: (image: ImageInfo) => unknown) => images.map(pick);
  const rows = await query<Synced>(em, SYNC, [
    docker_id,
    column((image) => image.Id),
    column((image) => JSON.stringify(real(image.RepoTags))),
    column((image) => JSON.stringify(real(image.RepoDigests))),
    column((image) => image.Size),
    column((image) => JSON.stringify(image.Labels ?? {})),
    column((image) => new Date(image.Created * 1000).toISOString()),
    now,
  ]);
  return rows[0] ?? { present: 0, removed: 0 };
}
