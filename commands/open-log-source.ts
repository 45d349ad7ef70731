import type { OpenEntry } from '../core/logs/segmenter.ts';
import type { ReadPosition } from '../entities/container-log-source.ts';
import { type Em, query } from '../entities/sql.ts';

/** Which output is to be read. `identity`: the same when the same is read again; `user_id`: who may see it besides operators. */
export type SourceSpec = {
  container_id: string;
  container_name: string;
  docker_id: string | null;
  kind: 'container' | 'instance' | 'text' | 'batch';
  identity: string;
  runid: string | null;
  user_id: number | null;
  requested_by: string;
};

/** A source as reading needs it. `first_seen`: milliseconds since 1970. `lines`: read so far. */
export type LogSource = Omit<SourceSpec, 'requested_by'> & {
  id: number;
  status: 'reading' | 'ended' | 'failed';
  first_seen: number;
  lines: number;
  segments: number;
  position: ReadPosition | null;
  pending: OpenEntry[];
};

const COLUMNS = `id::float8 as id, container_id, container_name, docker_id, kind, identity, runid, user_id::float8 as user_id, status,
  extract(epoch from first_seen)::float8 * 1000 as first_seen, lines::float8 as lines, segments::float8 as segments, position, pending`;

/** The source of this identity, made when there is none; one that had ended is read on. Its first reading is what counts. */
export async function openLogSource(em: Em, spec: SourceSpec): Promise<LogSource> {
  const rows = await query<LogSource>(
    em,
    `insert into container_log_source (container_id, container_name, docker_id, kind, identity, runid, user_id, requested_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (container_id, identity) do update set status = 'reading', error = null, ended_at = null,
       container_name = excluded.container_name, docker_id = coalesce(excluded.docker_id, container_log_source.docker_id)
     returning ${COLUMNS}`,
    [spec.container_id, spec.container_name, spec.docker_id, spec.kind, spec.identity, spec.runid, spec.user_id, spec.requested_by],
  );
  return rows[0] as LogSource;
}

/** A source as it stands; null: there is none. */
export async function loadLogSource(em: Em, id: number): Promise<LogSource | null> {
  return (await query<LogSource>(em, `select ${COLUMNS} from container_log_source where id = $1`, [id]))[0] ?? null;
}

/** Nothing more will come, or it cannot be read; `error` null: it was read to its end. */
export async function endLogSource(em: Em, id: number, error: string | null): Promise<void> {
  await query(
    em,
    `update container_log_source set status = case when $2::text is null then 'ended' else 'failed' end, error = $2,
       ended_at = clock_timestamp(), pending = '[]' where id = $1 and status = 'reading'`,
    [id, error],
  );
}
